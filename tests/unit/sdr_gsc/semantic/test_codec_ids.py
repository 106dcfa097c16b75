from sdr_gsc.semantic.codec import CODEC_ID
from sdr_gsc.semantic.foreign_codec import FOREIGN_CODEC_ID
from sdr_gsc.semantic.text import TEXT_CODEC_ID


def test_every_family_has_a_number_of_its_own():
    assert len({CODEC_ID, FOREIGN_CODEC_ID, TEXT_CODEC_ID}) == 3
