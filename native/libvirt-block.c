/** Layers of a running guest's disks: new ones on top, others merged away. Paths name the layers, targets such as `vda` the disks. */
#include <libvirt/libvirt.h>
#include <string.h>

#include "libvirt-calls.h"

/** A guest's agent that does not answer must not hold libvirt up: by default it waits without end. */
#define AGENT_SECONDS 10

int run_stack_layers(struct call *call, virDomainPtr domain)
{
    bool is_quiet = strcmp(call->arguments[2], "quiesce") == 0;
    bool has_memory = strcmp(call->arguments[2], "memory") == 0;
    unsigned flags = VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC | VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA | VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT;

    if (!has_memory) flags |= VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY;

    if (is_quiet && virDomainAgentSetResponseTimeout(domain, AGENT_SECONDS, 0) < 0) return -1;
    virDomainSnapshotPtr snapshot =
        virDomainSnapshotCreateXML(domain, call->arguments[1], flags | (is_quiet ? VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE : 0));

    if (!snapshot) return -1;
    virDomainSnapshotFree(snapshot);
    return 0;
}

int run_merge_layer(struct call *call, virDomainPtr domain)
{
    unsigned flags = strcmp(call->arguments[4], "active") == 0 ? VIR_DOMAIN_BLOCK_COMMIT_ACTIVE : 0;

    return virDomainBlockCommit(domain, call->arguments[1], call->arguments[3], call->arguments[2], 0, flags);
}

/** `{"done":1,"total":2}`, or null when no job runs. */
int run_block_job(struct call *call, virDomainPtr domain)
{
    virDomainBlockJobInfo info;
    int found = virDomainGetBlockJobInfo(domain, call->arguments[1], &info, 0);

    if (found > 0) json_raw(&call->answer, "{\"done\":%llu,\"total\":%llu}", info.cur, info.end);
    return found < 0 ? -1 : 0;
}

int run_end_block_job(struct call *call, virDomainPtr domain)
{
    bool is_pivot = strcmp(call->arguments[2], "pivot") == 0;

    return virDomainBlockJobAbort(domain, call->arguments[1], is_pivot ? VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT : 0);
}
