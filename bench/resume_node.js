// SPDX-License-Identifier: MIT
// As resume_weir.c: write until told to wait, and say when 'drain' came.
'use strict';
const fs = require('fs');
const socket = require('net').connect(Number(process.argv[2]), '127.0.0.1');
const chunk = Buffer.alloc(65536);

function fill() {
	while (socket.write(chunk))
		;
	fs.writeSync(1, 'paused\n');
}

socket.on('connect', fill);
socket.on('drain', () => {
	fs.writeSync(1, `${process.hrtime.bigint()}\n`);
	fill();
});
socket.on('error', () => process.exit(0));
socket.on('close', () => process.exit(0));
