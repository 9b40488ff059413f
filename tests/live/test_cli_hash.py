# SPDX-License-Identifier: MIT
"""weir copy --hash: the digest of what was delivered, and of nothing else."""
import hashlib
import json
import os
import subprocess
import tempfile
import unittest

WEIR = os.environ["WEIR"]
SIZES = (0, 1, (1 << 20) + 3, 64 << 20)


def weir(*args, stdin=b""):
    return subprocess.run([WEIR, "copy", *args], input=stdin, capture_output=True, timeout=60)


class Hash(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def test_it_is_what_sha256sum_prints(self):
        for size in SIZES:
            data = os.urandom(size)
            with open(self.path("in"), "wb") as f:
                f.write(data)
            ran = weir("--hash", "sha256", self.path("in"), self.path("out"))
            said = f"{hashlib.sha256(data).hexdigest()}  {self.path('in')}\n"
            self.assertEqual((ran.returncode, ran.stdout.decode(), ran.stderr), (0, said, b""))
            with open(self.path("out"), "rb") as f:
                self.assertEqual(f.read(), data)

    def test_it_goes_to_standard_error_when_standard_output_is_the_sink(self):
        ran = weir("--hash", "sha512", "-", "-", stdin=b"abc")
        said = hashlib.sha512(b"abc").hexdigest().encode() + b"  -\n"
        self.assertEqual((ran.returncode, ran.stdout, ran.stderr), (0, b"abc", said))

    def test_with_a_rate_limit_it_is_the_same(self):
        ran = weir("--rate", "10M", "--hash", "sha1", "random:1M?seed=3", self.path("out"))
        with open(self.path("out"), "rb") as f:
            self.assertEqual(ran.stdout.split()[0].decode(), hashlib.sha1(f.read()).hexdigest())

    def test_json_has_it(self):
        ran = weir("--json", "--hash", "md5", "-", "null:", stdin=b"abc")
        told = json.loads(ran.stdout)
        self.assertEqual(told["hash"], {"md5": hashlib.md5(b"abc").hexdigest()})

    def test_a_failed_copy_has_none(self):
        ran = weir("--hash", "sha256", "exec:echo hello; exit 3", "null:")
        self.assertEqual(ran.returncode, 1)
        self.assertEqual(ran.stdout, b"")
        ran = weir("--json", "--hash", "sha256", "exec:echo hello; exit 3", "null:")
        self.assertEqual(json.loads(ran.stdout)["hash"], {"sha256": None})

    def test_an_unknown_name_is_bad_usage_and_opens_nothing(self):
        ran = weir("--hash", "sha257", "zero:10", self.path("out"))
        self.assertEqual(ran.returncode, 3)
        self.assertIn(b"--hash sha257: expected the name of a digest", ran.stderr)
        self.assertFalse(os.path.exists(self.path("out")))


if __name__ == "__main__":
    unittest.main()
