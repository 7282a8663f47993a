"""Annotations of shapes are jaxtyping's where it is there, and cost no import of it elsewhere."""

import subprocess
import sys

import jaxtyping

from inrc import shapes

CODE = """
import sys
import numpy as np
from inrc import shapes
print("jaxtyping" in sys.modules, shapes.Float[np.ndarray, "height width"] is np.ndarray)
"""


def test_tests_check_the_annotations_of_jaxtyping():
    assert shapes.Float is jaxtyping.Float
    assert shapes.Integer is jaxtyping.Integer


def test_elsewhere_they_are_the_arrays_alone():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
