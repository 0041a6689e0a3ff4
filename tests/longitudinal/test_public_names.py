"""Names of ``ncs.longitudinal`` are loaded when they are first used."""

import pytest

from ncs import longitudinal


@pytest.mark.parametrize("name", longitudinal.__all__)
def test_a_name_is_loaded_on_first_use_and_kept(name, monkeypatch):
    monkeypatch.delitem(vars(longitudinal), name, raising=False)
    found = longitudinal.__getattr__(name)
    assert found.__module__.startswith("ncs.longitudinal._") if hasattr(found, "__module__") else name.isupper()
    assert vars(longitudinal)[name] is found


def test_another_name_is_refused_as_python_does():
    with pytest.raises(AttributeError, match=r"^module 'ncs\.longitudinal' has no attribute 'nothing'$"):
        longitudinal.nothing  # noqa: B018


def test_all_names_are_listed_before_they_are_loaded():
    listed = dir(longitudinal)
    assert set(longitudinal.__all__) <= set(listed)
    assert "__getattr__" in listed
    assert listed == sorted(listed)
