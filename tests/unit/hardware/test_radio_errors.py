import pickle

import pytest

from hardware import errors
from sdr_gsc.errors import ClippingError, SdrGscError

KINDS = [getattr(errors, name) for name in errors.__all__ if name not in ("RadioError", "ClippingError")]


@pytest.mark.parametrize("kind", KINDS)
def test_message_is_problem_then_remedy(kind):
    assert issubclass(kind, errors.RadioError)
    assert issubclass(kind, SdrGscError)
    assert str(kind("it is 3")) == f"it is 3; {kind.usual_remedy}"
    assert str(kind("it is 3", "make it 2")) == "it is 3; make it 2"
    assert kind is errors.RadioError or kind.usual_remedy != errors.RadioError.usual_remedy


@pytest.mark.parametrize("kind", KINDS)
def test_errors_cross_process_boundaries(kind):
    copy = pickle.loads(pickle.dumps(kind("it is 3", "make it 2")))
    assert (type(copy), str(copy)) == (kind, "it is 3; make it 2")


def test_clipping_is_the_library_s_own():
    assert errors.ClippingError is ClippingError
