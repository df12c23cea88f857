/** What the guest agent tells and does, by the calls that libvirt has for it. An agent that has hung is given up after a while. */
#include <libvirt/libvirt.h>
#include <stdlib.h>

#include "libvirt-calls.h"

/** Seconds that an agent may think about one question; without it libvirt waits for ever. */
#define AGENT_PATIENCE 10

/** Of everything that this agent can tell: `{"os.pretty-name":"...","user.count":1,...}`. */
int run_guest_info(struct call *call, virDomainPtr domain)
{
    virTypedParameterPtr parameters = NULL;
    int count = 0;

    if (virDomainAgentSetResponseTimeout(domain, AGENT_PATIENCE, 0) < 0) return -1;
    if (virDomainGetGuestInfo(domain, 0, &parameters, &count, 0) < 0) return -1;
    json_raw(&call->answer, "{");
    for (int i = 0; i < count; i++) {
        json_raw(&call->answer, i ? "," : "");
        json_parameter(&call->answer, &parameters[i]);
    }
    json_raw(&call->answer, "}");
    virTypedParamsFree(parameters, count);
    return 0;
}

int run_set_guest_time(struct call *call, virDomainPtr domain)
{
    long long seconds = strtoll(call->arguments[1], NULL, 10);
    unsigned nanoseconds = (unsigned)strtoul(call->arguments[2], NULL, 10);

    if (virDomainAgentSetResponseTimeout(domain, AGENT_PATIENCE, 0) < 0) return -1;
    return virDomainSetTime(domain, seconds, nanoseconds, 0);
}

/** A large file system takes its time, so the agent has as long as it wants; the caller's deadline ends the waiting. */
int run_trim_guest(struct call *call, virDomainPtr domain)
{
    (void)call;
    if (virDomainAgentSetResponseTimeout(domain, VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK, 0) < 0) return -1;
    return virDomainFSTrim(domain, NULL, 0, 0);
}
