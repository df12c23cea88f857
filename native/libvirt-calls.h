/** What the operation table (operation.c) points at. Arguments are named in the order in which they arrive. */
#pragma once
#include "operation.h"

/* libvirt-facts.c: what libvirtd answers by itself */
/** `"name":value` under libvirt's own name. */
void json_parameter(struct json *json, const virTypedParameter *parameter);
void run_versions(struct call *call);
void run_capabilities(struct call *call);
void run_domain_capabilities(struct call *call); /* arch, machine */
void run_domains(struct call *call);
int run_domain_xml(struct call *call, virDomainPtr domain);
void run_stats(struct call *call);

/* libvirt-domain.c: what changes or asks one domain; the first argument is always its UUID */
void run_create(struct call *call); /* xml, "paused" or "running" */
void run_forget_tpm(struct call *call); /* xml of a domain that is nothing but its TPM */
int run_shutdown(struct call *call, virDomainPtr domain);
int run_destroy(struct call *call, virDomainPtr domain);
int run_reboot(struct call *call, virDomainPtr domain);
int run_reset(struct call *call, virDomainPtr domain);
int run_suspend(struct call *call, virDomainPtr domain);
int run_resume(struct call *call, virDomainPtr domain);
int run_attach_device(struct call *call, virDomainPtr domain); /* uuid, xml */
int run_detach_device(struct call *call, virDomainPtr domain); /* uuid, xml */
int run_update_device(struct call *call, virDomainPtr domain); /* uuid, xml */
int run_resize_block(struct call *call, virDomainPtr domain); /* uuid, target, bytes in decimal */
int run_set_block_limits(struct call *call, virDomainPtr domain); /* uuid, target, "bytes read, written, reads, writes", a blank between, 0 for none */
int run_set_vcpus(struct call *call, virDomainPtr domain); /* uuid, how many in decimal */
int run_set_memory(struct call *call, virDomainPtr domain); /* uuid, KiB in decimal */
int run_disk_errors(struct call *call, virDomainPtr domain);
int run_send_keys(struct call *call, virDomainPtr domain); /* uuid, Linux key codes in decimal with blanks between */
int run_agent_command(struct call *call, virDomainPtr domain); /* uuid, command, seconds in decimal */

/* libvirt-agent.c: what the guest agent tells and does */
int run_guest_info(struct call *call, virDomainPtr domain);
int run_set_guest_time(struct call *call, virDomainPtr domain); /* uuid, seconds, nanoseconds in decimal */
int run_trim_guest(struct call *call, virDomainPtr domain);

/* libvirt-memory.c */
int run_save_memory(struct call *call, virDomainPtr domain); /* uuid, path */
int run_abort_save(struct call *call, virDomainPtr domain);
void run_saved_xml(struct call *call); /* path */
void run_restore_memory(struct call *call); /* uuid, which keeps other calls on that domain away; path, xml */

/* libvirt-block.c */
int run_stack_layers(struct call *call, virDomainPtr domain); /* uuid, xml, "quiesce", "memory" or "plain" */
int run_merge_layer(struct call *call, virDomainPtr domain); /* uuid, target, top, base, "active" or "below" */
int run_block_job(struct call *call, virDomainPtr domain); /* uuid, target */
int run_end_block_job(struct call *call, virDomainPtr domain); /* uuid, target, "pivot" or "cancel" */

/* libvirt-screenshot.c */
int run_screenshot(struct call *call, virDomainPtr domain);

/* libvirt-network.c */
void run_networks(struct call *call);
void run_ensure_network(struct call *call); /* name, xml */
void run_remove_network(struct call *call); /* name */

/* libvirt-node-device.c */
void run_node_devices(struct call *call);
