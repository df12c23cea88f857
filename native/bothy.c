/** See bothy.h. Handles instead of pointers: whatever number Node passes, nothing worse than -EBADF follows. */
#include "bothy.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "lane.h"
#include "operation.h"
#include "session.h"
#include "thread.h"

#define MOST_SESSIONS 16

/* Only Node's main thread comes here, so the table needs no lock. */
static struct {
    struct session *session;
    struct lanes *lanes;
    int output;
} sessions[MOST_SESSIONS];

static int is_open(int handle)
{
    return handle >= 0 && handle < MOST_SESSIONS && sessions[handle].session != NULL;
}

int bothy_open(const char *uri)
{
    int handle = 0;

    while (handle < MOST_SESSIONS && sessions[handle].session) handle++;
    if (handle == MOST_SESSIONS) return -EMFILE;
    struct session *session = session_open(uri, &sessions[handle].output);
    if (!session) return -errno;
    struct lanes *lanes = lanes_start(session);
    if (!lanes) {
        int failure = errno;
        session_end(session);
        session_release(session);
        close(sessions[handle].output);
        return -failure;
    }
    sessions[handle].session = session;
    sessions[handle].lanes = lanes;
    return handle;
}

int bothy_output(int handle)
{
    return is_open(handle) ? sessions[handle].output : -EBADF;
}

int bothy_submit(int handle, uint32_t id, int deadline_ms, const uint8_t *bytes, int length)
{
    if (!is_open(handle)) return -EBADF;
    struct call *call = call_parse(id, bytes, length);
    if (!call) return -errno;
    call->deadline_ms = monotonic_ms() + deadline_ms;
    int failure = lanes_submit(sessions[handle].lanes, call);
    if (failure) call_free(call);
    return failure;
}

int bothy_close(int handle)
{
    if (!is_open(handle)) return -EBADF;
    lanes_end(sessions[handle].lanes);
    session_end(sessions[handle].session);
    session_release(sessions[handle].session);
    sessions[handle].session = NULL;
    sessions[handle].lanes = NULL;
    return 0;
}
