/** Versions, capabilities, the list of domains and their statistics. */
#include <libvirt/libvirt.h>
#include <stdlib.h>

#include "libvirt-calls.h"

/** libvirt's numbers: major * 1,000,000 + minor * 1,000 + release. */
void run_versions(struct call *call)
{
    unsigned long libvirt = 0, hypervisor = 0;

    if (virConnectGetLibVersion(call->connection, &libvirt) < 0 || virConnectGetVersion(call->connection, &hypervisor) < 0) {
        fail_libvirt(call);
        return;
    }
    json_raw(&call->answer, "{\"libvirt\":%lu,\"hypervisor\":%lu}", libvirt, hypervisor);
}

static int answer_text(struct call *call, char *text)
{
    if (!text) return fail_libvirt(call);
    json_string(&call->answer, text);
    free(text);
    return 0;
}

void run_capabilities(struct call *call)
{
    answer_text(call, virConnectGetCapabilities(call->connection));
}

void run_domain_capabilities(struct call *call)
{
    const char *machine = call->arguments[1][0] ? call->arguments[1] : NULL;

    answer_text(call, virConnectGetDomainCapabilities(call->connection, NULL, call->arguments[0], machine, NULL, 0));
}

int run_domain_xml(struct call *call, virDomainPtr domain)
{
    return answer_text(call, virDomainGetXMLDesc(domain, 0));
}

static void print_value(struct json *json, const virTypedParameter *parameter)
{
    switch (parameter->type) {
    case VIR_TYPED_PARAM_INT: json_raw(json, "%d", parameter->value.i); break;
    case VIR_TYPED_PARAM_UINT: json_raw(json, "%u", parameter->value.ui); break;
    case VIR_TYPED_PARAM_LLONG: json_raw(json, "%lld", parameter->value.l); break;
    case VIR_TYPED_PARAM_ULLONG: json_raw(json, "%llu", parameter->value.ul); break;
    case VIR_TYPED_PARAM_DOUBLE: json_raw(json, "%.17g", parameter->value.d); break;
    case VIR_TYPED_PARAM_BOOLEAN: json_raw(json, parameter->value.b ? "true" : "false"); break;
    case VIR_TYPED_PARAM_STRING: json_string(json, parameter->value.s); break;
    default: json_raw(json, "null");
    }
}

void json_parameter(struct json *json, const virTypedParameter *parameter)
{
    json_string(json, parameter->field);
    json_raw(json, ":");
    print_value(json, parameter);
}

/**
 * `[{"uuid":"...","name":"...","state.state":1,...}]`, each statistic under libvirt's own name. Counters above 2^53 lose
 * their last bits in JavaScript; that is 9 petabytes or 104 days of CPU time in nanoseconds, and only differences count.
 */
static void answer_stats(struct call *call, unsigned groups, unsigned flags)
{
    virDomainStatsRecordPtr *records = NULL;
    int count = virConnectGetAllDomainStats(call->connection, groups, &records, flags);

    if (count < 0) {
        fail_libvirt(call);
        return;
    }
    json_raw(&call->answer, "[");
    for (int i = 0; i < count; i++) {
        char uuid[VIR_UUID_STRING_BUFLEN] = "";
        virDomainGetUUIDString(records[i]->dom, uuid);
        json_raw(&call->answer, "%s{\"uuid\":\"%s\",\"name\":", i ? "," : "", uuid);
        json_string(&call->answer, virDomainGetName(records[i]->dom));
        for (int at = 0; at < records[i]->nparams; at++) {
            json_raw(&call->answer, ",");
            json_parameter(&call->answer, &records[i]->params[at]);
        }
        json_raw(&call->answer, "}");
    }
    json_raw(&call->answer, "]");
    virDomainStatsRecordListFree(records);
}

/** The state group is the one that libvirt knows without asking QEMU. */
void run_domains(struct call *call)
{
    answer_stats(call, VIR_DOMAIN_STATS_STATE, 0);
}

/** NOWAIT leaves out what would have to wait for a domain that is busy with another call. */
void run_stats(struct call *call)
{
    answer_stats(call,
                 VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_CPU_TOTAL | VIR_DOMAIN_STATS_BALLOON | VIR_DOMAIN_STATS_VCPU |
                     VIR_DOMAIN_STATS_INTERFACE | VIR_DOMAIN_STATS_BLOCK,
                 VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
}
