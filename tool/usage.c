/* SPDX-License-Identifier: MIT */
/* The texts of --help.  docs/man/weir.1 says the same at length; change both. */
#include "usage.h"

#define ENDPOINTS                                                                       \
	"Endpoints:\n"                                                                  \
	"  -                       standard input or output\n"                         \
	"  PATH, file:PATH         a file, FIFO or device\n"                           \
	"  tcp://HOST:PORT         a TCP connection; IPv6 addresses in brackets\n"     \
	"  tcp-listen://HOST:PORT  a TCP peer that connects to us; HOST may be *\n"    \
	"  unix:PATH               a UNIX socket; @NAME is an abstract one\n"          \
	"  unix-listen:PATH        a peer that connects to a UNIX socket of ours\n"    \
	"  exec:COMMAND            a command, run by /bin/sh\n"

#define PATTERNS                                                                        \
	"  null:                   takes anything, gives nothing\n"                    \
	"  zero:[SIZE]             zero bytes, SIZE of them or no end\n"               \
	"  random:[SIZE][?seed=N]  pseudo-random bytes, the same for the same seed\n"

#define POLICIES                                                                        \
	"Policies, for when a SINK cannot keep up:\n"                                   \
	"  block:SINK              it holds everybody, as without a policy\n"          \
	"  drop:SINK               it loses what comes until it has caught up; with\n" \
	"                          record=lf, record=nul or record=0xHH, whole records\n" \
	"                          that end in this byte\n"                            \
	"  detach:SINK             it is let go, and has failed; with after=TIME, once\n" \
	"                          it has held everybody for so long\n"                \
	"  spill:SINK              what it is behind by goes through a file, of max=SIZE\n" \
	"                          (1Gi) in dir=FOLDER ($TMPDIR or /tmp), and only when\n" \
	"                          that is full it holds everybody\n"                  \
	"  behind=SIZE             how far behind, in memory, a sink may be before one of\n" \
	"                          the last three applies (1Mi)\n"                     \
	"Settings stand before the colon: drop,behind=4M,record=lf:tcp://HOST:PORT\n"

#define LIMITS                                                                          \
	"      --rate RATE          bytes per second at most, such as 500k or 20M"

#define MARKS                                                                           \
	"      --burst SIZE         bytes that may pass at once with --rate\n"             \
	"                           (a tenth of a second's worth)\n"                       \
	"      --high SIZE          pause the source when the sink holds this much (64Ki)\n" \
	"      --low SIZE           let it go when the sink holds this little (16Ki)\n"    \
	"      --budget SIZE        memory for bytes on their way, in all (256Mi)\n"       \
	"      --path PATHS         fastest, copy or kernel: how bytes may move (fastest)\n"     \
	"      --idle-timeout TIME  give up when nothing comes for so long\n"                  \
	"      --stall-timeout TIME give up when the sink takes nothing for so long\n"         \
	"      --timeout TIME       give up when it is not done after so long\n"

#define REPORTS                                                                         \
	"      --progress           show progress, also when standard error is no terminal\n" \
	"      --no-progress        show none\n"                                           \
	"      --hash NAME          print the digest of the bytes once all are delivered:\n"     \
	"                           sha256, sha512, blake2b512, ...; may be repeated\n"         \
	"      --json               print the outcome as one JSON object, on standard\n"   \
	"                           output unless that is a sink\n"                        \
	"  -v, --verbose            say what was opened, and what held the source back\n"  \
	"  -h, --help               print this\n"

#define MANY                                                                            \
	"      --many               serve every peer that connects, until interrupted;\n"  \
	"                           the other endpoint is opened anew for each, and\n"     \
	"                           --rate is shared by all\n"                             \
	"      --max-peers N        with --many: this many at once (1024, fewer where\n"   \
	"                           descriptors are scarce); others wait\n"

#define UNITS                                                                           \
	"SIZE and RATE take k, M, G, T (powers of 1000) or Ki, Mi, Gi, Ti (of 1024).\n"    \
	"TIME takes ms, s, m, h; a plain number is seconds.\n"

const char usage_general[] =
	"usage: weir copy  [options] SOURCE SINK...  move bytes one way\n"
	"       weir relay [options] LEFT RIGHT      move bytes both ways\n"
	"       weir help [copy | relay]             say more\n"
	"       weir --version\n"
	"\n" ENDPOINTS PATTERNS
	"\n"
	"Nothing is held beyond a bound: a slow sink slows its source down.  A stream that\n"
	"was cut never looks complete, and the exit status says whose fault it was.\n"
	"\n"
	"Examples:\n"
	"  weir copy big.iso tcp://backup.example:9000\n"
	"  weir copy --rate 2M tcp-listen://*:9000 exec:'gzip > log.gz'\n"
	"  weir relay --many tcp-listen://*:8080 unix:/run/app.sock\n";

const char usage_copy[] =
	"usage: weir copy [options] SOURCE [POLICY:]SINK ...\n"
	"\n"
	"Give each SINK every byte that SOURCE gives.  A file SINK is replaced when all of it is\n"
	"there, and left alone otherwise.  What a two-way SINK sends back is read and dropped.\n"
	"A SINK that fails leaves the others alone.\n"
	"\n"
	"Options:\n" LIMITS "\n" MARKS
	"      --append             add to file SINKs instead of replacing them\n" MANY REPORTS
	"\n" UNITS
	"\n" ENDPOINTS PATTERNS
	"\n" POLICIES
	"\n"
	"Exit status: 0 every sink got all that it should; 1 the source failed; 2 a sink\n"
	"failed or was let go; 3 bad usage; 4 a timeout or limit of ours; 130 interrupted\n"
	"(143 SIGTERM, 129 SIGHUP).\n"
	"\n"
	"Examples:\n"
	"  weir copy tcp-listen://127.0.0.1:9000 received.bin\n"
	"  weir copy --rate 20M backup.tar tcp://[2001:db8::7]:9000\n"
	"  weir copy exec:'tar -c docs' exec:'ssh host tar -x'\n"
	"  weir copy --json random:1Gi?seed=7 null:\n"
	"  weir copy - app.log drop,record=lf:tcp://logs.example:9000\n";

const char usage_relay[] =
	"usage: weir relay [options] LEFT RIGHT\n"
	"\n"
	"Join two endpoints both ways.  The end of one direction is passed on and leaves the\n"
	"other as it is: all that a server answers after the end of the request arrives.\n"
	"\n"
	"Options:\n" LIMITS ", each way\n" MARKS
	"      --linger TIME        once one direction has ended, give up when the other\n"
	"                           gives nothing for so long (never)\n" MANY
	"      --threads N          with --many: serve with N threads, or auto for as many\n"
	"                           as there are cores (1)\n" REPORTS
	"\n" UNITS
	"\n" ENDPOINTS
	"\n"
	"Exit status: 0 both directions finished; else of the first failure: 1 reading an\n"
	"endpoint failed (or opening LEFT); 2 writing one failed (or opening RIGHT); 3 bad\n"
	"usage; 4 a timeout or limit of ours; 130 interrupted (143 SIGTERM, 129 SIGHUP).\n"
	"\n"
	"Examples:\n"
	"  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | weir relay - tcp://www.example.org:80\n"
	"  weir relay --many --rate 20M tcp-listen://*:8080 tcp://10.0.0.5:80\n"
	"  weir relay unix-listen:/tmp/python.sock exec:'python3 -i'\n";
