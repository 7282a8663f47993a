"""Classical codecs that inrc is compared with."""

from inrc.baselines.classical import jpeg_at_most as jpeg_at_most
from inrc.baselines.classical import jpeg_decode as jpeg_decode
from inrc.baselines.classical import jpeg_encode as jpeg_encode
