/** See lane.h. */
#include "lane.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "thread.h"

#define MOST_THREADS 8

static const struct {
    const char *thread_name;
    int threads;
    bool is_one_per_domain;
} plan[LANE_COUNT] = {
    [LANE_QUERY] = { "bothy-query", 4, false },
    [LANE_GUEST] = { "bothy-guest", 8, true },
    [LANE_STATS] = { "bothy-stats", 4, false },
    [LANE_POWER] = { "bothy-power", 4, false },
    [LANE_AGENT] = { "bothy-agent", 4, true },
};

struct lane {
    _Atomic(struct call *) incoming; /* newest first; only Node's thread adds, whoever holds the lock takes all */
    atomic_int length;
    sem_t has_work; /* at least as many as there is to do; a thread that finds nothing waits again */
    pthread_mutex_t lock; /* for the workers among themselves */
    struct call *head; /* oldest first */
    struct call **tail;
    const char *busy_with[MOST_THREADS]; /* UUID that each thread works on */
};

struct worker {
    struct lanes *lanes;
    enum lane_id lane;
    int number;
    virConnectPtr connection; /* opened when first needed, and again when lost */
};

struct lanes {
    struct session *session;
    atomic_bool is_ending;
    atomic_int references; /* one for each thread and one for who started them */
    struct lane lanes[LANE_COUNT];
};

/** The UUID that a call must have to itself, or NULL. */
static const char *exclusive_domain(const struct call *call)
{
    bool is_exclusive = plan[call->operation->lane].is_one_per_domain && call->operation->run_on_domain;

    return is_exclusive ? call->arguments[0] : NULL;
}

static bool is_busy(const struct lane *lane, const char *uuid)
{
    for (int i = 0; uuid && i < MOST_THREADS; i++) {
        if (lane->busy_with[i] && strcmp(lane->busy_with[i], uuid) == 0) return true;
    }
    return false;
}

/** Moves what has come in to the end of the queue, oldest first. */
static void collect(struct lane *lane)
{
    struct call *newest = atomic_exchange(&lane->incoming, NULL), *oldest = NULL;

    while (newest) {
        struct call *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    *lane->tail = oldest;
    while (*lane->tail) lane->tail = &(*lane->tail)->next;
}

/** Unlinks the first call whose domain no thread works on. */
static struct call *unlink_next(struct lane *lane)
{
    for (struct call **at = &lane->head; *at; at = &(*at)->next) {
        struct call *call = *at;
        if (is_busy(lane, exclusive_domain(call))) continue;
        *at = call->next;
        if (!call->next) lane->tail = at;
        return call;
    }
    return NULL;
}

/** The next call for this thread, or NULL when the lanes end. */
static struct call *take(struct worker *worker)
{
    struct lane *lane = &worker->lanes->lanes[worker->lane];
    struct call *call = NULL;

    while (!call) {
        while (sem_wait(&lane->has_work) < 0) continue; /* EINTR */
        if (worker->lanes->is_ending) return NULL;
        pthread_mutex_lock(&lane->lock);
        collect(lane);
        call = unlink_next(lane);
        if (call) lane->busy_with[worker->number] = exclusive_domain(call);
        pthread_mutex_unlock(&lane->lock);
    }
    lane->length -= 1;
    return call;
}

/** Frees the domain for the next call in line. */
static void give_back(struct worker *worker)
{
    struct lane *lane = &worker->lanes->lanes[worker->lane];

    pthread_mutex_lock(&lane->lock);
    lane->busy_with[worker->number] = NULL;
    bool has_more = lane->head != NULL;
    pthread_mutex_unlock(&lane->lock);
    if (has_more) sem_post(&lane->has_work);
}

/** Sees to it that the worker has a connection that stands. Returns NULL or why not; the caller frees it. */
static char *connect_worker(struct worker *worker, int64_t deadline_ms)
{
    struct session *session = worker->lanes->session;
    char *obstacle = session_obstacle(session, deadline_ms);

    if (obstacle) return obstacle;
    if (worker->connection && virConnectIsAlive(worker->connection) == 1) return NULL;
    if (worker->connection) virConnectClose(worker->connection);
    worker->connection = session_connect(session);
    return worker->connection ? NULL : strdup(virGetLastErrorMessage());
}

static void run_connected(struct worker *worker, struct call *call)
{
    char *obstacle = connect_worker(worker, call->deadline_ms);

    if (obstacle) {
        fail_with(call, obstacle, false);
        free(obstacle);
        return;
    }
    virResetLastError();
    call->connection = worker->connection;
    call_run(call);
}

static void release(struct lanes *lanes)
{
    if (atomic_fetch_sub(&lanes->references, 1) > 1) return;
    for (int id = 0; id < LANE_COUNT; id++) {
        struct lane *lane = &lanes->lanes[id];
        collect(lane);
        while (lane->head) {
            struct call *call = lane->head;
            lane->head = call->next;
            call_free(call);
        }
        sem_destroy(&lane->has_work);
        pthread_mutex_destroy(&lane->lock);
    }
    free(lanes);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct session *session = worker->lanes->session;
    struct call *call;

    while ((call = take(worker))) {
        if (monotonic_ms() < call->deadline_ms) {
            struct json line = { 0 };
            run_connected(worker, call);
            call_print(call, &line);
            session_send(session, &line);
        }
        give_back(worker);
        call_free(call);
    }
    if (worker->connection) virConnectClose(worker->connection);
    release(worker->lanes);
    session_release(session);
    free(worker);
    return NULL;
}

static int start_worker(struct lanes *lanes, enum lane_id lane, int number)
{
    struct worker *worker = calloc(1, sizeof *worker);

    if (!worker) return ENOMEM;
    *worker = (struct worker){ .lanes = lanes, .lane = lane, .number = number };
    session_hold(lanes->session);
    lanes->references += 1;
    int failure = start_thread(plan[lane].thread_name, work, worker);
    if (failure) {
        release(lanes);
        session_release(lanes->session);
        free(worker);
    }
    return failure;
}

struct lanes *lanes_start(struct session *session)
{
    struct lanes *lanes = calloc(1, sizeof *lanes);
    int failure = 0;

    if (!lanes) return NULL;
    lanes->session = session;
    lanes->references = 1;
    for (int id = 0; id < LANE_COUNT; id++) {
        pthread_mutex_init(&lanes->lanes[id].lock, NULL);
        sem_init(&lanes->lanes[id].has_work, 0, 0);
        lanes->lanes[id].tail = &lanes->lanes[id].head;
    }
    for (int id = 0; id < LANE_COUNT; id++) {
        for (int i = 0; i < plan[id].threads && !failure; i++) failure = start_worker(lanes, (enum lane_id)id, i);
    }
    if (!failure) return lanes;
    lanes_end(lanes);
    errno = failure;
    return NULL;
}

int lanes_submit(struct lanes *lanes, struct call *call)
{
    struct lane *lane = &lanes->lanes[call->operation->lane];

    if (lane->length >= LANE_QUEUE_LIMIT) return -EAGAIN;
    lane->length += 1;
    call->next = lane->incoming;
    while (!atomic_compare_exchange_weak(&lane->incoming, &call->next, call)) continue;
    sem_post(&lane->has_work);
    return 0;
}

void lanes_end(struct lanes *lanes)
{
    lanes->is_ending = true;
    for (int id = 0; id < LANE_COUNT; id++) {
        for (int i = 0; i < plan[id].threads; i++) sem_post(&lanes->lanes[id].has_work);
    }
    release(lanes);
}
