# SPDX-License-Identifier: MIT
"""Who takes part: each program with the settings that suit it best."""
import os


class Contestant:
    """A program in a scenario.  `command` makes its argv from what the scenario has; `config` is
    its file's text, `script` a file of bench/ that it is given first; `engine` is for ours."""

    def __init__(self, name, program, settings, command, config=None, script=None, engine=None):
        self.name, self.program, self.settings = name, program, settings
        self.command, self.config, self.script, self.engine = command, config, script, engine

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
    nbthread 1
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
    {what}
"""

NGINX = """\
load_module {modules}/ngx_stream_module.so;
daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile {limit};
pid {{dir}}/nginx.pid;
error_log stderr crit;
events {{{{ worker_connections {{descriptors}}; multi_accept on; }}}}
stream {{{{
    server {{{{
        listen 127.0.0.1:{{port}} backlog=4096;
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


def stream_config(what, limit):
    for modules in ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules"):
        if os.path.exists(f"{modules}/ngx_stream_module.so"):
            return NGINX.format(modules=modules, what=what, limit=limit)
    return None


def nginx_stream(limit, what="proxy_pass 127.0.0.1:{{sink}};",
                 settings="stream, one process, proxy_buffer_size 256k, multi_accept on"):
    """As a list, empty where there is no stream module."""
    config = stream_config(what.replace("{{", "{").replace("}}", "}"), limit)
    return [Contestant("nginx", "nginx", settings, NGINX_COMMAND, config)] if config else []


def haproxy(what="server sink 127.0.0.1:{sink}",
            settings="nbthread 1, mode tcp, splice-request, splice-response, tune.pipesize 1 MiB"):
    return Contestant("haproxy", "haproxy", settings, "-db -f {config}",
                      HAPROXY.format(what=what))


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


def relays(limit):
    return [WEIR_RELAY, WEIR_RELAY_KERNEL, SOCAT, uv_poll(262144, "256 KiB"), uv_poll(1048576, "1 MiB"), haproxy(),
            *nginx_stream(limit)]


def single_process_relays(limit):
    """Those that can have thousands."""
    return [WEIR_RELAY, uv_poll(262144, "256 KiB"), haproxy(), *nginx_stream(limit)]


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
        haproxy("tcp-request connection reject",
                "nbthread 1, mode tcp, tcp-request connection reject"),
        *nginx_stream(limit, 'return "";', "stream, one process, return \"\", multi_accept on"),
    ]


def accepting_relays(limit):
    return [WEIR_RELAY, haproxy(), *nginx_stream(limit)]
