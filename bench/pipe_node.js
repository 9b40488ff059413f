// SPDX-License-Identifier: MIT
// TCP to a file: Node's pipe, with a buffer of 1 MiB.
'use strict';
const [port, path] = process.argv.slice(2);
const file = require('fs').createWriteStream(path, {highWaterMark: 1 << 20});
require('net').connect(Number(port), '127.0.0.1').pipe(file);
