"""What the receiver's classifier and the judge name in a picture."""

from __future__ import annotations

import numpy as np
import torch

from sdr_gsc.metrics.agreement import judged_class, viewed
from sdr_gsc.metrics.features import EYE_NAME, JUDGE_NAME, load_eye

__all__ = ["CLASSIFIER", "JUDGE", "named", "reference_of"]

#: Looks at pictures at the receiver; its features are the task vector.
CLASSIFIER = EYE_NAME
#: Says what the sent picture shows; it shares no weight with the classifier.
JUDGE = JUDGE_NAME


@torch.inference_mode()
def named(picture: np.ndarray, *, count: int = 5, device: str = "cpu") -> list[int]:
    """The most likely ImageNet classes of a picture float32 [H, W, 3] in [0, 1], the likeliest first.

    Raises:
        WeightsError: the classifier's weight file is missing or is not the known one.
    """
    planes = torch.from_numpy(np.ascontiguousarray(picture, np.float32)).permute(2, 0, 1)[None]
    logits = load_eye(device)(viewed(planes).to(device))[0]
    return [int(index) for index in logits.topk(count).indices]


def reference_of(picture: np.ndarray, *, device: str = "cpu") -> int:
    """The class that the judge names in the sent picture: the answer that counts as right.

    Raises:
        WeightsError: the judge's weight file is missing or is not the known one.
    """
    return judged_class(picture, device=device)
