/** libvirt's own virtual networks, such as the NAT network `default`. */
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdlib.h>

#include "libvirt-calls.h"

static void print_network(struct json *json, virNetworkPtr network)
{
    char *bridge = virNetworkGetBridgeName(network); /* NULL: not every kind of network has one */

    json_raw(json, "{\"name\":");
    json_string(json, virNetworkGetName(network));
    json_raw(json, ",\"bridge\":");
    json_string(json, bridge);
    json_raw(json, ",\"active\":%s}", virNetworkIsActive(network) == 1 ? "true" : "false");
    free(bridge);
}

void run_networks(struct call *call)
{
    virNetworkPtr *networks = NULL;
    int count = virConnectListAllNetworks(call->connection, &networks, 0);

    if (count < 0) {
        fail_libvirt(call);
        return;
    }
    json_raw(&call->answer, "[");
    for (int i = 0; i < count; i++) {
        json_raw(&call->answer, i ? "," : "");
        print_network(&call->answer, networks[i]);
        virNetworkFree(networks[i]);
    }
    json_raw(&call->answer, "]");
    free(networks);
}

/** Only a network that we define is set to start by itself: an administrator may have decided otherwise for his. */
static virNetworkPtr define_network(struct call *call, const char *xml)
{
    virNetworkPtr network = virNetworkDefineXML(call->connection, xml);

    if (!network) {
        fail_libvirt(call);
    } else if (virNetworkSetAutostart(network, 1) < 0) {
        fail_libvirt(call);
        virNetworkFree(network);
        return NULL;
    }
    return network;
}

void run_ensure_network(struct call *call)
{
    virNetworkPtr network = virNetworkLookupByName(call->connection, call->arguments[0]);

    if (!network && virGetLastErrorCode() != VIR_ERR_NO_NETWORK) {
        fail_libvirt(call);
        return;
    }
    if (!network) network = define_network(call, call->arguments[1]);
    if (!network) return;
    int is_active = virNetworkIsActive(network);
    if (is_active < 0 || (is_active == 0 && virNetworkCreate(network) < 0)) fail_libvirt(call);
    virNetworkFree(network);
}

void run_remove_network(struct call *call)
{
    virNetworkPtr network = virNetworkLookupByName(call->connection, call->arguments[0]);

    if (!network) {
        if (virGetLastErrorCode() != VIR_ERR_NO_NETWORK) fail_libvirt(call);
        return;
    }
    int is_active = virNetworkIsActive(network);
    if (is_active < 0 || (is_active == 1 && virNetworkDestroy(network) < 0) ||
        (virNetworkIsPersistent(network) == 1 && virNetworkUndefine(network) < 0))
        fail_libvirt(call);
    virNetworkFree(network);
}
