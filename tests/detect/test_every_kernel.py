"""No kernel arrives without its twin: hypothesis proves every compiled function of ncs equal to a slow one."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests" / "detect"
COMPILERS = {"kernel", "njit", "jit", "vectorize", "guvectorize", "stencil", "cfunc"}


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def decorators(function):
    """The last name of each decorator: of ``@name``, ``@module.name`` and ``@name(...)``."""
    targets = [node.func if isinstance(node, ast.Call) else node for node in function.decorator_list]
    return {target.attr if isinstance(target, ast.Attribute) else target.id for target in targets}


def kernels(folder):
    """Every compiled function under a folder as (module, name)."""
    return {
        (path.stem, function.name)
        for path in folder.rglob("*.py")
        for function in functions(parsed(path))
        if COMPILERS & decorators(function)
    }


def calls(tree):
    """For each function of a test file, what it calls of imported modules, its helpers' calls included."""
    modules = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    called, helpers = {}, {}
    for function in functions(tree):
        targets = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
        helpers[function.name] = {target.id for target in targets if isinstance(target, ast.Name)}
        called[function.name] = {
            (modules[target.value.id], target.attr)
            for target in targets
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id in modules
        }
    return {name: found.union(*(called.get(one, ()) for one in helpers[name])) for name, found in called.items()}


def proven(folder):
    """Every function that a hypothesis test calls together with a function of the same name in a module of twins."""
    found = set()
    for path in folder.glob("test_*.py"):
        tree = parsed(path)
        called = calls(tree)
        for test in functions(tree):
            if test.name.startswith("test_") and "given" in decorators(test):
                twins = {name for module, name in called[test.name] if module.endswith("twins")}
                found |= {(module, name) for module, name in called[test.name] if name in twins}
    return found


def test_every_kernel_has_a_twin_and_a_test_that_proves_them_equal():
    found = kernels(ROOT / "ncs")
    assert ("_kernels", "mark_sweeps") in found
    assert sorted(found - proven(TESTS)) == [], "write a twin of the same name, and a hypothesis test that calls both"


def test_every_way_to_compile_is_a_kernel(tmp_path):
    (tmp_path / "new.py").write_text(
        "from numba import njit\nimport numba as nb\n"
        "@njit\ndef bare(y): return y\n"
        "@njit(cache=True)\ndef called(y): return y\n"
        "@nb.vectorize(['float64(float64)'])\ndef other(y): return y\n"
        "def plain(y): return y\n"
    )
    assert kernels(tmp_path) == {("new", "bare"), ("new", "called"), ("new", "other")}


def test_a_test_that_does_not_call_both_proves_nothing(tmp_path):
    (tmp_path / "test_new.py").write_text(
        "from ncs.detect import _kernels as k\nfrom tests.detect import twins\n"
        "def both(y): return k.helped(y)\n"
        "@given(Y)\ndef test_one(y): assert k.proven(y) == twins.proven(y)\n"
        "@given(Y)\ndef test_two(y): assert k.alone(y) > 0\n"
        "@given(Y)\ndef test_three(y): assert both(y) == twins.helped(y)\n"
        "def test_four(): assert k.once(1) == twins.once(1)\n"
    )
    proofs = {name for module, name in proven(tmp_path) if module == "_kernels"}
    assert proofs == {"proven", "helped"}
