"""What the tests of this folder share."""

from tests.copied_databases import copied_databases as copied_databases
