"""Golden tasks: test cases near real traffic, from `golden/*.jsonl` and `assay.yaml`."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from glob import glob, has_magic
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PrivateAttr

from assay.check_values import NOT, expected_by
from assay.config import Config, Testing
from assay.documents import Document, Location, parse_yaml, read_bytes
from assay.errors import InputError
from assay.jsonl import parse_jsonl
from assay.validation import Place, Section, Several, Text, refusal, together, validated

HASH_DIGITS = 16
