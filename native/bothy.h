/**
 * The surface of libbothy.so: four functions, called by ffi.ts from Node's main thread. None of them blocks.
 *
 * A call goes in as bytes, `operation 0x1f argument 0x1f argument ...` (XML and JSON contain no 0x1f). Everything comes
 * out of one pipe, a JSON object per line:
 *
 *     {"id":7,"ok":...}                                             answer to call 7
 *     {"id":7,"error":{"code":42,"message":"...","isConnected":true}}   libvirt's own code and message
 *     {"event":"lifecycle","uuid":"...",...}                        see libvirt-event.c
 *     {"event":"connection","state":"connected","message":"..."}     see session.c
 *     {"event":"resync"}                                            events were dropped, see outlet.c
 */
#pragma once
#include <stdint.h>

#define BOTHY_API __attribute__((visibility("default")))

/** Starts a session that connects to libvirt at `uri` and keeps connected. Returns its handle or -errno. */
BOTHY_API int bothy_open(const char *uri);

/** The read end of the session's pipe (close-on-exec); the caller owns and closes it. -EBADF for an unknown handle. */
BOTHY_API int bothy_output(int handle);

/**
 * Queues a call; its bytes are copied. A call that still waits after `deadline_ms` milliseconds is dropped unanswered.
 * Returns 0, -EBADF, -EINVAL (unknown operation or wrong number of arguments), -EAGAIN (too many wait) or -ENOMEM.
 */
BOTHY_API int bothy_submit(int handle, uint32_t id, int deadline_ms, const uint8_t *bytes, int length);

/** Ends a session: queued calls are dropped; calls that libvirt still works on end by themselves, unanswered. */
BOTHY_API int bothy_close(int handle);
