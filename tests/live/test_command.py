#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The command with files for standard streams, on every system that it is built for; on
Windows by Wine.  test_cli.py has what takes pipes."""
import fcntl
import hashlib
import json
import os
import pty
import re
import signal
import struct
import termios

import support
from support import COMMAND, ENV, WINDOWS, LiveTest

ALL = ['file', 'tcp', 'tcp-listen', 'unix', 'unix-listen', 'exec', 'null', 'zero', 'random']
ODD = 'a b"c\\" \\\\ %PATH% ^& \u00e9\u20ac\U0001f600'  # no letter of it may get lost


class CommandTest(LiveTest):
    def fails(self, status, *args, said):
        result = self.run_files(*args)
        self.assertEqual(result.status, status, (args, result))
        self.assert_one_line(result.err, re.escape(said))
        self.assertEqual(result.out, b'')

    def succeeds(self, *args, **options):
        result = self.run_files(*args, **options)
        self.assert_status(result, 0)
        return result.out

    def schemes(self):
        """Those that there are on this system."""
        result = self.run_files('copy', 'nosuch://x', 'null:')
        self.assertEqual(result.status, 3)
        found = re.findall(r'([a-z-]+):(?://)?(?=,| and|$)', result.err.rstrip())
        self.assertTrue(set(found) <= set(ALL) and 'null' in found, result)
        return found

    def need(self, *names):
        for name in names:
            if name not in self.schemes():
                self.skipTest('no %s: on this system yet' % name)


class Usage(CommandTest):
    def test_what_was_asked_for_is_printed_as_it_is(self):
        self.assertRegex(self.succeeds('--version'), rb'\Aweir \d+\.\d+\.\d+\n\Z')
        self.assertEqual(self.succeeds('help'), self.succeeds('--help'))
        for command in ('copy', 'relay'):
            text = self.succeeds('help', command)
            self.assertTrue(text.startswith(b'usage: weir ' + command.encode()))
            self.assertNotIn(b'\r', text)

    def test_bad_usage_is_one_line_and_3(self):
        self.fails(3, said='weir: expected a command')
        self.fails(3, 'move', said='move: expected a command')
        self.fails(3, 'copy', 'null:', said='copy: expected SOURCE SINK')
        self.fails(3, 'copy', 'zero:', 'null:', '--rate', 'fast', said='--rate fast: expected bytes')
        self.fails(3, 'copy', 'zero:', 'zero:', said='zero:: expected an endpoint that takes bytes')
        self.fails(3, 'copy', 'zero:', 'drop,max=1:null:', said='drop,max=1: expected behind=')
        self.fails(3, 'copy', 'zero:', 'null:', '--hash', 'nosuch', said='--hash nosuch: expected')

    def test_a_scheme_that_this_system_has_not_is_no_file(self):
        there = self.schemes()
        for name in ['nosuch', 'nosuch-either'] + [name for name in ALL if name not in there]:
            self.fails(3, 'copy', name + '://x', 'null:', said=name + '://x: expected ')
        for name in (name for name in ALL if name not in there):
            self.fails(3, 'copy', 'zero:1', name + ':x', said=name + ':x: expected ')
        self.assertEqual([name for name in os.listdir(self.folder) if 'std' not in name], [])

    def test_arguments_come_whole(self):
        for arg in (ODD, '*', '"', '\\', ' ', 'a\tb'):
            shown = arg.replace('\t', '\\x09')
            self.fails(3, 'help', arg, said='weir: %s: expected copy or relay' % shown)

    def test_an_output_that_is_full_or_closed_is_told(self):
        for args in (['--version'], ['copy', '--json', 'zero:1', 'null:'],
                     ['copy', '--hash', 'sha256', 'zero:1', 'null:']):
            with open('/dev/full', 'wb') as full:
                result = self.run_files(*args, stdout=full)
            self.assertEqual(result.status, 2, result)
            self.assert_one_line(result.err, 'weir: standard output: No space left on device')
        result = self.run_files('--version', preexec_fn=lambda: os.close(1))
        self.assertEqual(result.status, 2, result)
        self.assert_one_line(result.err, 'weir: standard output: Bad file descriptor')


class Outcome(CommandTest):
    def test_the_object_of_a_copy(self):
        o = self.json_of(self.succeeds('copy', '--json', 'random:3Mi?seed=4', 'null:'))
        self.assertEqual([o[k] for k in ('command', 'end', 'exit', 'cause', 'bytes', 'in', 'dropped')],
                         ['copy', 'finished', 0, None, 3 << 20, 3 << 20, 0])
        self.assertGreater(o['peak_budget'], 0)

    def test_the_object_with_several_sinks(self):
        o = self.json_of(self.succeeds('copy', '--json', 'zero:1Mi', 'null:', 'drop:null:'))
        self.assertEqual([(s['policy'], s['end'], s['bytes']) for s in o['sinks']],
                         [('block', 'finished', 1 << 20), ('drop', 'finished', 1 << 20)])

    def test_digests(self):
        lines = self.succeeds('copy', '--hash', 'sha256', '--hash', 'md5', 'zero:5M', 'null:').decode()
        self.assertEqual(lines, 'SHA256 (zero:5M) = %s\nMD5 (zero:5M) = %s\n' % (
            hashlib.sha256(bytes(5000000)).hexdigest(), hashlib.md5(bytes(5000000)).hexdigest()))

    def test_a_limit_ends_it_with_4(self):
        result = self.run_files('copy', '--timeout', '300ms', 'zero:', 'null:')
        self.assertEqual(result.status, 4, result)
        self.assert_one_line(result.err, r'longer than the time limit at byte \d+')

    def test_what_is_told_on_request(self):
        result = self.run_files('copy', '-v', 'zero:10M', 'null:')
        self.assertEqual(result.status, 0, result)
        self.assertRegex(result.err, r'weir: opened source zero, 10000000 bytes\n')
        self.assertRegex(result.err, r'weir: finished: 10\.0 MB in ')
        found = re.search(r'weir: peak memory ([\d.]+) (\S+), of which buffers', result.err)
        self.assertEqual(found.group(2), 'MB', result.err)
        self.assertGreater(float(found.group(1)), 1)

    def test_progress_in_a_file_is_lines(self):
        result = self.run_files('copy', '--progress', '--rate', '1M', '--burst', '1k', 'zero:2500k', 'null:')
        self.assertEqual(result.status, 0, result)
        lines = result.err.splitlines()
        self.assertGreaterEqual(len(lines), 2)
        for line in lines:
            self.assertRegex(line, r'\A\d[\d.]* [kM]B  0:0\d  .*/s  mean .*/s  .*waiting for rate limit\Z')


class Signals(CommandTest):
    def test_an_interruption_ends_it_with_130(self):
        weir = self.weir('copy', '-v', '--json', 'zero:', 'null:')
        weir.line('weir: started')
        weir.signal(signal.SIGINT)
        self.assertEqual(weir.wait(), 130)
        self.assertRegex(weir.err(), r'weir: stopped by SIGINT at byte \d+\n\Z')
        o = self.json_of(weir.out())
        self.assertEqual((o['end'], o['cause'], o['exit']), ('stopped', 'WEIR_ESTOPPED', 130))

    def test_an_interruption_leaves_the_old_file(self):
        self.need('file')
        self.file('out', b'old')
        weir = self.weir('copy', '-v', 'zero:', 'out', cwd=self.folder)
        weir.line('weir: started')
        weir.signal(signal.SIGINT)
        self.assertEqual(weir.wait(), 130)
        with open(self.path('out'), 'rb') as f:
            self.assertEqual(f.read(), b'old')
        self.assertEqual([name for name in os.listdir(self.folder) if 'std' not in name], ['out'])


class Files(CommandTest):
    def setUp(self):
        super().setUp()
        self.need('file')

    def read(self, name):
        with open(self.path(name), 'rb') as f:
            return f.read()

    def test_a_file_is_copied(self):
        data = support.pattern(3000000)
        self.file('in', data)
        self.succeeds('copy', 'in', 'out', cwd=self.folder)
        self.assertEqual(self.read('out'), data)
        self.succeeds('copy', '--append', 'in', 'out', cwd=self.folder)
        self.assertEqual(self.read('out'), data + data)

    def test_names_are_utf_8(self):
        name = '\u00e9\u20ac \U0001f600.txt'
        self.file(name, b'text')
        o = self.json_of(self.succeeds('copy', '--json', name, 'file:2' + name, cwd=self.folder))
        self.assertEqual((o['source'], o['sink'], o['bytes']), (name, 'file:2' + name, 4))
        self.assertEqual(self.read('2' + name), b'text')

    def test_what_is_not_there_is_told(self):
        result = self.run_files('copy', 'nowhere', 'out', cwd=self.folder)
        self.assertEqual(result.status, 1)
        self.assert_one_line(result.err, 'weir: source nowhere: cannot open: No such file or directory at byte 0')
        self.assertFalse(os.path.exists(self.path('out')))

    def test_one_file_by_two_names_is_refused(self):
        self.file('in', b'x')
        other = 'IN' if WINDOWS else './in'
        for args in (['copy', 'zero:1', 'in', other], ['copy', '--append', 'in', other],
                     ['copy', 'zero:1', 'new', 'NEW' if WINDOWS else 'new']):
            result = self.run_files(*args, cwd=self.folder)
            self.assertEqual(result.status, 3, (args, result))
            self.assert_one_line(result.err, 'expected another file than')
        self.assertEqual(self.read('in'), b'x')


class Terminal(CommandTest):
    def on_terminal(self, columns, *args):
        """What a terminal of that width is sent."""
        pid, fd = pty.fork()
        if pid == 0:
            fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
            os.execvpe(COMMAND[0], COMMAND + list(args), ENV)
        self.addCleanup(os.close, fd)
        seen = b''
        while True:
            try:
                data = os.read(fd, 65536)
            except OSError:  # nobody has the other side any more
                break
            if not data:
                break
            seen += data
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, seen)
        return seen.decode()

    def test_progress_is_one_line_that_fits(self):
        rate = ('--rate', '1M', '--burst', '1k')
        for columns in (120, 40):
            seen = self.on_terminal(columns, 'copy', *rate, 'zero:1500k', 'null:')
            self.assertIn('B/s', seen)
            self.assertEqual('waiting for rate limit' in seen, columns == 120, seen)
            self.assertEqual(seen.count('\n'), 1, seen)
            for piece in seen.split('\r'):
                self.assertLess(len(re.sub(r'\x1b\[[?\d;]*[A-Za-z]', '', piece)), columns, seen)


if __name__ == '__main__':
    support.main()
