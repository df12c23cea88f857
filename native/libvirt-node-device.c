/** What the host is made of, as libvirt's node devices tell it. */
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdlib.h>

#include "libvirt-calls.h"

#define KINDS (VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV | VIR_CONNECT_LIST_NODE_DEVICES_CAP_USB_DEV | \
               VIR_CONNECT_LIST_NODE_DEVICES_CAP_USB_INTERFACE | VIR_CONNECT_LIST_NODE_DEVICES_CAP_SCSI | \
               VIR_CONNECT_LIST_NODE_DEVICES_CAP_STORAGE)

/** One that has gone since it was listed is left out. */
static void print_device(struct json *json, virNodeDevicePtr device, bool is_first)
{
    char *xml = virNodeDeviceGetXMLDesc(device, 0);

    if (!xml) return;
    json_raw(json, is_first ? "" : ",");
    json_string(json, xml);
    free(xml);
}

void run_node_devices(struct call *call)
{
    virNodeDevicePtr *devices = NULL;
    int count = virConnectListAllNodeDevices(call->connection, &devices, KINDS);

    if (count < 0) {
        /* A libvirt without that driver, as in some containers: the answer stays `null`. */
        if (virGetLastErrorCode() != VIR_ERR_NO_SUPPORT) fail_libvirt(call);
        return;
    }
    json_raw(&call->answer, "[");
    for (int i = 0; i < count; i++) {
        print_device(&call->answer, devices[i], call->answer.length == 1);
        virNodeDeviceFree(devices[i]);
    }
    json_raw(&call->answer, "]");
    free(devices);
}
