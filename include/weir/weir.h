/* SPDX-License-Identifier: MIT */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H
/* weir.h -- every public header for callers.  Those who implement a producer, consumer
 * or transport also include weir/impl/... */
#include "weir/budget.h"
#include "weir/chunk.h"
#include "weir/consumer.h"
#include "weir/context.h"
#include "weir/endpoint.h"
#include "weir/err.h"
#include "weir/feeder.h"
#include "weir/file.h"
#include "weir/hash.h"
#include "weir/join.h"
#include "weir/listener.h"
#include "weir/loop.h"
#include "weir/loopback.h"
#include "weir/memory.h"
#include "weir/pattern.h"
#include "weir/pipe.h"
#include "weir/process.h"
#include "weir/producer.h"
#include "weir/proxy.h"
#include "weir/receiver.h"
#include "weir/relay.h"
#include "weir/shared_budget.h"
#include "weir/spill.h"
#include "weir/stdio.h"
#include "weir/tap.h"
#include "weir/tcp.h"
#include "weir/tee.h"
#include "weir/throttle.h"
#include "weir/transport.h"
#include "weir/unix.h"

#endif
