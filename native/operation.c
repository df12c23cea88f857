/** See operation.h. */
#include "operation.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "libvirt-calls.h"

static const struct operation operations[] = {
    { "hypervisor-versions", LANE_QUERY, 0, run_versions, NULL },
    { "capabilities", LANE_QUERY, 0, run_capabilities, NULL },
    { "domain-capabilities", LANE_QUERY, 2, run_domain_capabilities, NULL },
    { "domains", LANE_QUERY, 0, run_domains, NULL },
    { "domain-xml", LANE_QUERY, 1, NULL, run_domain_xml },
    { "networks", LANE_QUERY, 0, run_networks, NULL },
    { "node-devices", LANE_QUERY, 0, run_node_devices, NULL },
    { "stats", LANE_STATS, 0, run_stats, NULL },
    { "destroy", LANE_POWER, 1, NULL, run_destroy },
    { "agent-command", LANE_AGENT, 3, NULL, run_agent_command },
    { "guest-info", LANE_AGENT, 1, NULL, run_guest_info },
    { "set-guest-time", LANE_AGENT, 3, NULL, run_set_guest_time },
    { "trim-guest", LANE_AGENT, 1, NULL, run_trim_guest },
    { "create", LANE_GUEST, 2, run_create, NULL },
    { "forget-tpm", LANE_GUEST, 1, run_forget_tpm, NULL },
    { "ensure-network", LANE_GUEST, 2, run_ensure_network, NULL },
    { "remove-network", LANE_GUEST, 1, run_remove_network, NULL },
    { "shutdown", LANE_GUEST, 1, NULL, run_shutdown },
    { "reboot", LANE_GUEST, 1, NULL, run_reboot },
    { "reset", LANE_GUEST, 1, NULL, run_reset },
    { "suspend", LANE_GUEST, 1, NULL, run_suspend },
    { "resume", LANE_GUEST, 1, NULL, run_resume },
    { "attach-device", LANE_GUEST, 2, NULL, run_attach_device },
    { "detach-device", LANE_GUEST, 2, NULL, run_detach_device },
    { "update-device", LANE_GUEST, 2, NULL, run_update_device },
    { "send-keys", LANE_GUEST, 2, NULL, run_send_keys },
    { "resize-block", LANE_GUEST, 3, NULL, run_resize_block },
    { "set-block-limits", LANE_GUEST, 3, NULL, run_set_block_limits },
    { "set-vcpus", LANE_GUEST, 2, NULL, run_set_vcpus },
    { "set-memory", LANE_GUEST, 2, NULL, run_set_memory },
    { "disk-errors", LANE_GUEST, 1, NULL, run_disk_errors },
    { "stack-layers", LANE_GUEST, 3, NULL, run_stack_layers },
    { "merge-layer", LANE_GUEST, 5, NULL, run_merge_layer },
    { "block-job", LANE_GUEST, 2, NULL, run_block_job },
    { "end-block-job", LANE_GUEST, 3, NULL, run_end_block_job },
    { "save-memory", LANE_GUEST, 2, NULL, run_save_memory },
    { "abort-save", LANE_POWER, 1, NULL, run_abort_save },
    { "saved-xml", LANE_GUEST, 1, run_saved_xml, NULL },
    { "restore-memory", LANE_GUEST, 3, run_restore_memory, NULL },
    { "screenshot", LANE_GUEST, 1, NULL, run_screenshot },
};

static const struct operation *find_operation(const char *name)
{
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        if (strcmp(operations[i].name, name) == 0) return &operations[i];
    }
    return NULL;
}

/** Splits the text in place; returns the number of arguments, MAX_ARGUMENTS + 1 when there are too many. */
static int split_arguments(struct call *call)
{
    int count = 0;

    for (char *mark = strchr(call->bytes, '\x1f'); mark; mark = strchr(mark, '\x1f')) {
        *mark++ = '\0';
        if (count == MAX_ARGUMENTS) return MAX_ARGUMENTS + 1;
        call->arguments[count++] = mark;
    }
    return count;
}

struct call *call_parse(uint32_t id, const uint8_t *bytes, int length)
{
    if (length < 1 || memchr(bytes, 0, (size_t)length)) {
        errno = EINVAL;
        return NULL;
    }
    struct call *call = calloc(1, sizeof *call + (size_t)length + 1);
    if (!call) return NULL;
    memcpy(call->bytes, bytes, (size_t)length);
    call->id = id;
    int count = split_arguments(call);
    call->operation = find_operation(call->bytes);
    if (call->operation && call->operation->argument_count == count) return call;
    call_free(call);
    errno = EINVAL;
    return NULL;
}

void call_free(struct call *call)
{
    json_free(&call->answer);
    json_free(&call->error);
    free(call);
}

void call_run(struct call *call)
{
    if (call->operation->run) {
        call->operation->run(call);
        return;
    }
    /* Looked up each time: 0.2 ms, and no cache that could outlive a domain or a connection. */
    virDomainPtr domain = virDomainLookupByUUIDString(call->connection, call->arguments[0]);
    if (!domain) {
        fail_libvirt(call);
        return;
    }
    if (call->operation->run_on_domain(call, domain) < 0) fail_libvirt(call);
    virDomainFree(domain);
}

void call_print(struct call *call, struct json *line)
{
    bool has_failed = call->error.length > 0;
    const struct json *body = has_failed ? &call->error : &call->answer;

    json_raw(line, "{\"id\":%u,\"%s\":", call->id, has_failed ? "error" : "ok");
    json_append(line, body->length ? body : &(struct json){ .text = "null", .length = 4 });
    json_raw(line, "}");
}

static int fail(struct call *call, int code, const char *message, bool is_connected)
{
    if (call->error.length > 0) return -1;
    json_raw(&call->error, "{\"code\":%d,\"isConnected\":%s,\"message\":", code, is_connected ? "true" : "false");
    json_string(&call->error, message);
    json_raw(&call->error, "}");
    return -1;
}

int fail_libvirt(struct call *call)
{
    const virError *error = virGetLastError();

    if (!error) return fail(call, 0, "libvirt failed and gave no reason", true);
    char *message = strdup(error->message ? error->message : "");
    int code = error->code;
    int is_alive = virConnectIsAlive(call->connection); /* clears the error */
    fail(call, code, message, is_alive == 1);
    free(message);
    return -1;
}

int fail_with(struct call *call, const char *message, bool is_connected)
{
    return fail(call, 0, message, is_connected);
}
