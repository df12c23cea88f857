/** A guest's memory in a file of our own: written with its end, and read back into a new QEMU. */
#include <libvirt/libvirt.h>
#include <stdlib.h>

#include "libvirt-calls.h"

/** libvirt lets the guest go on where the file could not be written. */
int run_save_memory(struct call *call, virDomainPtr domain)
{
    return virDomainSaveFlags(domain, call->arguments[1], NULL, 0);
}

int run_abort_save(struct call *call, virDomainPtr domain)
{
    (void)call;
    return virDomainAbortJob(domain);
}

/** The definition in the file, passwords included: it is what the guest gets back. Also says whether the file is whole. */
void run_saved_xml(struct call *call)
{
    char *xml = virDomainSaveImageGetXMLDesc(call->connection, call->arguments[0], VIR_DOMAIN_SAVE_IMAGE_XML_SECURE);

    if (!xml) {
        fail_libvirt(call);
        return;
    }
    json_string(&call->answer, xml);
    free(xml);
}

/** The guest stands still afterwards, however it was saved. */
void run_restore_memory(struct call *call)
{
    if (virDomainRestoreFlags(call->connection, call->arguments[1], call->arguments[2], VIR_DOMAIN_SAVE_PAUSED) < 0) fail_libvirt(call);
}
