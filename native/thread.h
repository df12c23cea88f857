/** Threads of the shim: detached, named, and with every signal blocked, so that Node's main thread handles them all. */
#pragma once
#include <pthread.h>
#include <stdint.h>

/** Starts `run(argument)`; `name` has at most 15 characters. Returns 0 or an errno. */
int start_thread(const char *name, void *(*run)(void *), void *argument);

/** A condition whose timed wait counts on the monotonic clock. */
void init_condition(pthread_cond_t *condition);

/** Milliseconds on the monotonic clock. */
int64_t monotonic_ms(void);

/** Waits until signalled or until `until_ms` on the monotonic clock; 0 waits without end. Returns 0 or ETIMEDOUT. */
int wait_condition(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until_ms);
