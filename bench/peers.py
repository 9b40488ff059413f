# SPDX-License-Identifier: MIT
"""Who takes part: each program with the settings that suit it best."""
import os


class Contestant:
    """A program in a scenario.  `command` makes its argv from what the scenario has; `config` is
    its file's text, `script` a file of bench/ that it is given first; `engine` is for ours; with
    `workers` it has children until it is told to end."""

    def __init__(self, name, program, settings, command, config=None, script=None, engine=None,
                 workers=False):
        self.name, self.program, self.settings = name, program, settings
        self.command, self.config, self.script, self.engine = command, config, script, engine
        self.workers = workers

    def argv(self, bench, **have):
        program = bench.path(self.program)
        if self.config:
            have["config"] = bench.file(f"{self.program}.conf")
            with open(have["config"], "w", encoding="ascii") as f:
                f.write(self.config.format(dir=bench.dir, **have))
        script = [os.path.join(bench.here, self.script)] if self.script else []
        return [program] + script + [word.format(dir=bench.dir, **have)
                                     for word in self.command.split()]

    def environment(self):
        return {**os.environ, "WEIR_ENGINE": self.engine} if self.engine else None


HAPROXY = """\
global
    nbthread {threads}
    maxconn {{connections}}
    maxpipes 128
    tune.pipesize 1048576
defaults
    mode tcp
    option splice-request
    option splice-response
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen relay
    bind 127.0.0.1:{{port}} backlog 4096
    server sink 127.0.0.1:{{sink}}
"""

NGINX = """\
load_module {modules}/ngx_stream_module.so;
daemon off;
{processes}
worker_rlimit_nofile {limit};
pid {{dir}}/nginx.pid;
error_log stderr crit;
events {{{{ worker_connections {{descriptors}}; multi_accept on; }}}}
stream {{{{
    server {{{{
        listen 127.0.0.1:{{port}} backlog=4096{shared};
        {what}
        proxy_buffer_size 256k;
    }}}}
}}}}
"""

NGINX_FILE = """\
daemon off;
master_process off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 64; }}
http {{
    access_log off;
    sendfile on;
    sendfile_max_chunk 2m;
    tcp_nopush on;
    client_body_temp_path {dir}/nginx-body;
    proxy_temp_path {dir}/nginx-proxy;
    fastcgi_temp_path {dir}/nginx-fastcgi;
    uwsgi_temp_path {dir}/nginx-uwsgi;
    scgi_temp_path {dir}/nginx-scgi;
    server {{
        listen 127.0.0.1:{port};
        root {dir};
    }}
}}
"""

NGINX_COMMAND = "-p {dir} -e stderr -c {config}"


def stream_config(**settings):
    for modules in ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules"):
        if os.path.exists(f"{modules}/ngx_stream_module.so"):
            return NGINX.format(modules=modules, **settings)
    return None


NGINX_RELAY = "proxy_buffer_size 256k, multi_accept on"


def nginx_stream(limit, what="proxy_pass 127.0.0.1:{sink};",
                 settings=f"stream, one process, {NGINX_RELAY}"):
    """As a list, empty where there is no stream module."""
    config = stream_config(what=what, limit=limit, shared="",
                           processes="master_process off; worker_processes 1;")
    return [Contestant("nginx", "nginx", settings, NGINX_COMMAND, config)] if config else []


def nginx_workers(limit, count):
    config = stream_config(what="proxy_pass 127.0.0.1:{sink};", limit=limit, shared=" reuseport",
                           processes=f"worker_processes {count};")
    settings = f"stream, {count} worker processes, reuseport, {NGINX_RELAY}"
    return [Contestant("nginx", "nginx", settings, NGINX_COMMAND, config,
                       workers=True)] if config else []


def haproxy(threads=1):
    return Contestant("haproxy", "haproxy",
                      f"nbthread {threads}, mode tcp, splice-request, splice-response, "
                      "tune.pipesize 1 MiB", "-db -f {config}", HAPROXY.format(threads=threads))


WEIR_RELAY = Contestant(
    "weir", "weir", "relay --many",
    "relay --many --no-progress --max-peers {connections} tcp-listen://127.0.0.1:{port} "
    "tcp://127.0.0.1:{sink}")

# The path that was not chosen, beside the one that was.
WEIR_RELAY_KERNEL = Contestant(
    "weir, splicing", "weir", "relay --many --path kernel", WEIR_RELAY.command + " --path kernel")


def copying(weir):
    return Contestant("weir, copying", "weir", f"{weir.settings} --path copy",
                      f"{weir.command} --path copy")


SOCAT_LISTEN = "TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,backlog=4096,fork,nodelay"
SOCAT = Contestant(
    "socat", "socat", "-b 262144 TCP-LISTEN:...,fork,nodelay TCP:...,nodelay",
    f"-b 262144 {SOCAT_LISTEN} TCP:127.0.0.1:{{sink}},nodelay")


def uv_poll(size, name):
    return Contestant(f"uv_poll {name}", "relay_uv",
                      f"bench/relay_uv.c, read and send of {name}", f"{{port}} {{sink}} {size}")


def relays(limit, flows):
    """weir splices busy flows that share a loop, and copies one alone."""
    return [WEIR_RELAY, copying(WEIR_RELAY) if flows > 1 else WEIR_RELAY_KERNEL, SOCAT,
            uv_poll(262144, "256 KiB"), uv_poll(1048576, "1 MiB"), haproxy(), *nginx_stream(limit)]


def single_process_relays(limit):
    """Those that can have thousands."""
    return [WEIR_RELAY, uv_poll(262144, "256 KiB"), haproxy(), *nginx_stream(limit)]


def with_memory(limit):
    return [WEIR_RELAY, copying(WEIR_RELAY), *single_process_relays(limit)[1:]]


def with_threads(limit):
    return [
        Contestant("weir", "weir", "relay --many --threads 2", WEIR_RELAY.command + " --threads 2"),
        Contestant("weir, 1 thread", "weir", "relay --many --threads 1",
                   WEIR_RELAY.command + " --threads 1"),
        haproxy(2), *nginx_workers(limit, 2),
    ]


def pipes():
    weir = Contestant("weir", "weir", "copy - -", "copy --no-progress - -")
    return [
        weir, copying(weir),
        Contestant("cat", "cat", "", ""),
        Contestant("pv", "pv", "-q", "-q"),
    ]


def file_to_file(reflinks):
    """`reflinks`: whether the file system has them."""
    weir = Contestant("weir", "weir", "copy FILE FILE", "copy --no-progress {source} {target}")
    found = [
        weir, copying(weir),
        Contestant("cat", "cat", "FILE > FILE", "{source}"),
        Contestant("cp", "cp", "FILE FILE", "{source} {target}"),
        Contestant("cp, no reflink", "cp", "--reflink=never FILE FILE",
                   "--reflink=never {source} {target}"),
        Contestant("pv", "pv", "-q FILE > FILE", "-q {source}"),
    ]
    if reflinks:
        found.append(Contestant("cp, reflink", "cp", "--reflink=always FILE FILE",
                                "--reflink=always {source} {target}"))
    return found


def file_to_tcp():
    weir = Contestant("weir", "weir", "copy FILE tcp://...",
                      "copy --no-progress {source} tcp://127.0.0.1:{port}")
    return [
        weir, copying(weir),
        Contestant("nginx", "nginx", "http, one process, sendfile on, tcp_nopush on, "
                   "sendfile_max_chunk 2m", NGINX_COMMAND, NGINX_FILE),
        Contestant("socat", "socat", "-u -b 262144 FILE:... TCP:...",
                   "-u -b 262144 FILE:{source} TCP:127.0.0.1:{port}"),
        Contestant("nc", "nc", "-N HOST PORT < FILE", "-N 127.0.0.1 {port}"),
    ]


def tcp_to_file():
    weir = Contestant("weir", "weir", "copy tcp://... FILE",
                      "copy --no-progress tcp://127.0.0.1:{port} {target}")
    return [
        weir, copying(weir),
        Contestant("node", "node", "bench/pipe_node.js: socket.pipe(file), highWaterMark 1 MiB",
                   "{port} {target}", script="pipe_node.js"),
        Contestant("socat", "socat", "-u -b 262144 TCP:... CREATE:...",
                   "-u -b 262144 TCP:127.0.0.1:{port} CREATE:{target}"),
        Contestant("nc", "nc", "-d HOST PORT > FILE", "-d 127.0.0.1 {port}"),
    ]


def echo():
    return [
        Contestant("weir", "server_weir", "bench/server_weir.c, WEIR_ENGINE=poll", "echo {port}",
                   engine="poll"),
        Contestant("weir, ring", "server_weir", "bench/server_weir.c, WEIR_ENGINE=ring",
                   "echo {port}", engine="ring"),
        Contestant("raw epoll", "server_epoll", "bench/server_epoll.c", "echo {port}"),
    ]


def acceptors(limit):
    return [
        Contestant("weir", "server_weir", "bench/server_weir.c", "close {port}"),
        Contestant("raw epoll", "server_epoll", "bench/server_epoll.c", "close {port}"),
        *nginx_stream(limit, 'return "";', "stream, one process, return \"\", multi_accept on"),
    ]


def accepting_relays(limit):
    return [WEIR_RELAY, haproxy(), *nginx_stream(limit)]
