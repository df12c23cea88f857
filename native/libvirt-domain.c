/** One domain: start, power, devices, disks, guest agent. Every change is to the live domain; definitions are not kept. */
#include <errno.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libvirt-calls.h"

void run_create(struct call *call)
{
    bool is_paused = strcmp(call->arguments[1], "paused") == 0;
    virDomainPtr domain = virDomainCreateXML(call->connection, call->arguments[0], is_paused ? VIR_DOMAIN_START_PAUSED : 0);

    if (domain) virDomainFree(domain);
    else fail_libvirt(call);
}

/** libvirt lets go of what a TPM has kept only with the definition of a domain, so one is made for that and goes at once. */
void run_forget_tpm(struct call *call)
{
    virDomainPtr domain = virDomainDefineXML(call->connection, call->arguments[0]);

    if (!domain || virDomainUndefineFlags(domain, VIR_DOMAIN_UNDEFINE_TPM) < 0) fail_libvirt(call);
    if (domain) virDomainFree(domain);
}

/** By the guest agent; where none answers, with the button. */
int run_shutdown(struct call *call, virDomainPtr domain)
{
    (void)call;
    return virDomainShutdownFlags(domain, VIR_DOMAIN_SHUTDOWN_GUEST_AGENT | VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN);
}

int run_destroy(struct call *call, virDomainPtr domain)
{
    (void)call;
    return virDomainDestroy(domain);
}

int run_reboot(struct call *call, virDomainPtr domain)
{
    (void)call;
    return virDomainReboot(domain, VIR_DOMAIN_REBOOT_GUEST_AGENT | VIR_DOMAIN_REBOOT_ACPI_POWER_BTN);
}

int run_reset(struct call *call, virDomainPtr domain)
{
    (void)call;
    return virDomainReset(domain, 0);
}

int run_suspend(struct call *call, virDomainPtr domain)
{
    (void)call;
    return virDomainSuspend(domain);
}

int run_resume(struct call *call, virDomainPtr domain)
{
    (void)call;
    return virDomainResume(domain);
}

int run_attach_device(struct call *call, virDomainPtr domain)
{
    return virDomainAttachDeviceFlags(domain, call->arguments[1], VIR_DOMAIN_AFFECT_LIVE);
}

int run_detach_device(struct call *call, virDomainPtr domain)
{
    return virDomainDetachDeviceFlags(domain, call->arguments[1], VIR_DOMAIN_AFFECT_LIVE);
}

int run_update_device(struct call *call, virDomainPtr domain)
{
    return virDomainUpdateDeviceFlags(domain, call->arguments[1], VIR_DOMAIN_AFFECT_LIVE);
}

/** A decimal number that is the whole text. Returns whether it is one. */
static bool is_number(const char *text, unsigned long long *number)
{
    char *end = NULL;

    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0';
}

int run_resize_block(struct call *call, virDomainPtr domain)
{
    unsigned long long bytes;

    if (!is_number(call->arguments[2], &bytes)) return fail_with(call, "the size is not a number of bytes", true);
    return virDomainBlockResize(domain, call->arguments[1], bytes, VIR_DOMAIN_BLOCK_RESIZE_BYTES);
}

/** All four at once: a group that is not named would keep its old limits. */
int run_set_block_limits(struct call *call, virDomainPtr domain)
{
    static const char *const names[] = {
        VIR_DOMAIN_BLOCK_IOTUNE_READ_BYTES_SEC, VIR_DOMAIN_BLOCK_IOTUNE_WRITE_BYTES_SEC,
        VIR_DOMAIN_BLOCK_IOTUNE_READ_IOPS_SEC, VIR_DOMAIN_BLOCK_IOTUNE_WRITE_IOPS_SEC,
    };
    const int count = sizeof names / sizeof names[0];
    unsigned long long limits[4];
    virTypedParameterPtr parameters = NULL;
    int known = 0, room = 0, result = 0;

    if (sscanf(call->arguments[2], "%llu %llu %llu %llu", &limits[0], &limits[1], &limits[2], &limits[3]) != count) {
        return fail_with(call, "the limits are not four numbers", true);
    }
    for (int i = 0; i < count && result == 0; i++) result = virTypedParamsAddULLong(&parameters, &known, &room, names[i], limits[i]);
    if (result == 0) result = virDomainSetBlockIoTune(domain, call->arguments[1], parameters, known, VIR_DOMAIN_AFFECT_LIVE);
    virTypedParamsFree(parameters, known);
    return result;
}

int run_set_vcpus(struct call *call, virDomainPtr domain)
{
    unsigned long long count;

    if (!is_number(call->arguments[1], &count) || count < 1 || count > 4096) return fail_with(call, "not a number of processors", true);
    return virDomainSetVcpusFlags(domain, (unsigned)count, VIR_DOMAIN_VCPU_LIVE);
}

/** What the balloon leaves to the guest; the guest follows in its own time. */
int run_set_memory(struct call *call, virDomainPtr domain)
{
    unsigned long long kibibytes;

    if (!is_number(call->arguments[1], &kibibytes)) return fail_with(call, "not a number of KiB", true);
    return virDomainSetMemoryFlags(domain, (unsigned long)kibibytes, VIR_DOMAIN_MEM_LIVE);
}

/** `{"vda":2}`; the numbers are virDomainDiskErrorCode. */
int run_disk_errors(struct call *call, virDomainPtr domain)
{
    int room = virDomainGetDiskErrors(domain, NULL, 0, 0);
    if (room < 0) return -1;
    virDomainDiskErrorPtr errors = calloc((size_t)room + 1, sizeof *errors);
    if (!errors) return fail_with(call, "out of memory", true);
    int count = virDomainGetDiskErrors(domain, errors, (unsigned)room, 0);

    if (count < 0) fail_libvirt(call);
    json_raw(&call->answer, "{");
    for (int i = 0; i < count; i++) {
        json_raw(&call->answer, i ? "," : "");
        json_string(&call->answer, errors[i].disk);
        json_raw(&call->answer, ":%d", errors[i].error);
        free(errors[i].disk);
    }
    json_raw(&call->answer, "}");
    free(errors);
    return count < 0 ? -1 : 0;
}

/** Pressed together, let go together after libvirt's usual time. */
int run_send_keys(struct call *call, virDomainPtr domain)
{
    unsigned keys[VIR_DOMAIN_SEND_KEY_MAX_KEYS];
    int count = 0;
    char *end = NULL;

    for (const char *next = call->arguments[1]; *next; next = end) {
        if (count == VIR_DOMAIN_SEND_KEY_MAX_KEYS) return fail_with(call, "too many keys at once", true);
        keys[count++] = (unsigned)strtoul(next, &end, 10);
        if (end == next) return fail_with(call, "a key is not a number", true);
        while (*end == ' ') end++;
    }
    return virDomainSendKey(domain, VIR_KEYCODE_SET_LINUX, 0, keys, count, 0);
}

int run_agent_command(struct call *call, virDomainPtr domain)
{
    unsigned long long seconds;

    if (!is_number(call->arguments[2], &seconds) || seconds < 1 || seconds > 3600) {
        return fail_with(call, "the time for the guest agent must be between 1 and 3600 seconds", true);
    }
    char *answer = virDomainQemuAgentCommand(domain, call->arguments[1], (int)seconds, 0);
    if (!answer) return -1;
    json_string(&call->answer, answer);
    free(answer);
    return 0;
}
