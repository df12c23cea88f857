CREATE TABLE `audit` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`at` integer NOT NULL,
	`actor` text NOT NULL,
	`from` text NOT NULL,
	`operation` text NOT NULL,
	`subject` text NOT NULL,
	`outcome` text NOT NULL,
	`requestId` text NOT NULL,
	`count` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `audit_by_age` ON `audit` (`at`);--> statement-breakpoint
CREATE TABLE `event_delivery` (
	`destinationId` text PRIMARY KEY NOT NULL,
	`position` integer NOT NULL,
	`failures` integer NOT NULL,
	`failingSince` integer,
	`lastTryAt` integer,
	`lastDeliveredAt` integer,
	`problem` text,
	FOREIGN KEY (`destinationId`) REFERENCES `event_destination`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `event_destination` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`kind` text NOT NULL,
	`isEnabled` integer NOT NULL,
	`severity` text NOT NULL,
	`kinds` text NOT NULL,
	`settings` text NOT NULL,
	`secrets` text NOT NULL,
	`generation` integer NOT NULL,
	`createdAt` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `event_destination_name_unique` ON `event_destination` (`name`);--> statement-breakpoint
CREATE TABLE `event` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`at` integer NOT NULL,
	`lastAt` integer NOT NULL,
	`count` integer NOT NULL,
	`severity` text NOT NULL,
	`code` text NOT NULL,
	`message` text NOT NULL,
	`nextStep` text,
	`about` text NOT NULL,
	`subject` text NOT NULL,
	`endedAt` integer,
	`isStanding` integer NOT NULL,
	`seq` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `event_by_trouble` ON `event` (`code`,`subject`);--> statement-breakpoint
CREATE INDEX `event_by_age` ON `event` (`at`);--> statement-breakpoint
CREATE UNIQUE INDEX `event_by_seq` ON `event` (`seq`);--> statement-breakpoint
CREATE TABLE `history_settings` (
	`id` integer PRIMARY KEY NOT NULL,
	`slotHours` integer NOT NULL,
	`minuteDays` integer NOT NULL,
	`hourDays` integer NOT NULL,
	`dayYears` integer NOT NULL,
	`eventDays` integer NOT NULL,
	`mostEvents` integer NOT NULL,
	`auditDays` integer NOT NULL,
	`configDays` integer NOT NULL,
	`mostConfigChanges` integer NOT NULL,
	`generation` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `role_assignment` (
	`id` text PRIMARY KEY NOT NULL,
	`userId` text,
	`groupId` text,
	`role` text NOT NULL,
	`kind` text NOT NULL,
	`objectId` text NOT NULL,
	`createdAt` integer NOT NULL,
	FOREIGN KEY (`userId`) REFERENCES `user`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`groupId`) REFERENCES `user_group`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `role_assignment_user` ON `role_assignment` (`userId`,`kind`,`objectId`,`role`);--> statement-breakpoint
CREATE UNIQUE INDEX `role_assignment_group` ON `role_assignment` (`groupId`,`kind`,`objectId`,`role`);--> statement-breakpoint
CREATE INDEX `role_assignment_object` ON `role_assignment` (`kind`,`objectId`);--> statement-breakpoint
CREATE TABLE `user_group` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`description` text NOT NULL,
	`roles` text NOT NULL,
	`generation` integer NOT NULL,
	`createdAt` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `user_group_name_unique` ON `user_group` (`name`);--> statement-breakpoint
CREATE TABLE `user_group_member` (
	`groupId` text NOT NULL,
	`userId` text NOT NULL,
	PRIMARY KEY(`groupId`, `userId`),
	FOREIGN KEY (`groupId`) REFERENCES `user_group`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`userId`) REFERENCES `user`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `user_group_of` ON `user_group_member` (`userId`);--> statement-breakpoint
CREATE TABLE `quota_charge` (
	`kind` text NOT NULL,
	`objectId` text NOT NULL,
	`userId` text NOT NULL,
	`vcpus` integer NOT NULL,
	`memoryBytes` integer NOT NULL,
	`diskBytes` integer NOT NULL,
	PRIMARY KEY(`kind`, `objectId`),
	FOREIGN KEY (`userId`) REFERENCES `user`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `quota_charge_by_user` ON `quota_charge` (`userId`);--> statement-breakpoint
CREATE TABLE `quota` (
	`id` text PRIMARY KEY NOT NULL,
	`userId` text,
	`groupId` text,
	`mode` text NOT NULL,
	`vcpus` integer,
	`memoryBytes` integer,
	`diskBytes` integer,
	`gracePercent` integer NOT NULL,
	`generation` integer NOT NULL,
	`createdAt` integer NOT NULL,
	FOREIGN KEY (`userId`) REFERENCES `user`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`groupId`) REFERENCES `user_group`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `quota_userId_unique` ON `quota` (`userId`);--> statement-breakpoint
CREATE UNIQUE INDEX `quota_groupId_unique` ON `quota` (`groupId`);--> statement-breakpoint
CREATE TABLE `role` (
	`name` text PRIMARY KEY NOT NULL,
	`description` text NOT NULL,
	`permissions` text NOT NULL,
	`generation` integer NOT NULL,
	`createdAt` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `session` (
	`id` text PRIMARY KEY NOT NULL,
	`secretHash` text NOT NULL,
	`userId` text NOT NULL,
	`from` text NOT NULL,
	`createdAt` integer NOT NULL,
	`lastSeenAt` integer NOT NULL,
	`expiresAt` integer NOT NULL,
	FOREIGN KEY (`userId`) REFERENCES `user`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `session_secretHash_unique` ON `session` (`secretHash`);--> statement-breakpoint
CREATE TABLE `setup` (
	`code` text PRIMARY KEY NOT NULL,
	`createdAt` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `sign_in_fact` (
	`userId` text PRIMARY KEY NOT NULL,
	`wrongTries` integer NOT NULL,
	`lockedAt` integer,
	FOREIGN KEY (`userId`) REFERENCES `user`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `sign_in_rule` (
	`id` text PRIMARY KEY NOT NULL,
	`minimumLength` integer NOT NULL,
	`lockAfter` integer NOT NULL,
	`lockMinutes` integer NOT NULL,
	`idleMinutes` integer NOT NULL,
	`generation` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `token` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`secretHash` text NOT NULL,
	`userId` text,
	`permissions` text,
	`createdAt` integer NOT NULL,
	`expiresAt` integer,
	`lastUsedAt` integer,
	FOREIGN KEY (`userId`) REFERENCES `user`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `token_name_unique` ON `token` (`name`);--> statement-breakpoint
CREATE UNIQUE INDEX `token_secretHash_unique` ON `token` (`secretHash`);--> statement-breakpoint
CREATE TABLE `totp` (
	`userId` text PRIMARY KEY NOT NULL,
	`secret` text NOT NULL,
	`confirmedAt` integer,
	`lastStep` integer NOT NULL,
	`recoveryHashes` text NOT NULL,
	FOREIGN KEY (`userId`) REFERENCES `user`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `user` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`passwordHash` text NOT NULL,
	`roles` text NOT NULL,
	`generation` integer NOT NULL,
	`createdAt` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `user_name_unique` ON `user` (`name`);--> statement-breakpoint
CREATE TABLE `change` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`at` integer NOT NULL,
	`kind` text NOT NULL,
	`objectId` text NOT NULL,
	`what` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `idempotency` (
	`actor` text NOT NULL,
	`key` text NOT NULL,
	`fingerprint` text NOT NULL,
	`status` integer NOT NULL,
	`headers` text NOT NULL,
	`body` blob NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`actor`, `key`)
);
--> statement-breakpoint
CREATE INDEX `idempotency_by_age` ON `idempotency` (`at`);--> statement-breakpoint
CREATE TABLE `journal_object` (
	`objectId` text NOT NULL,
	`kind` text NOT NULL,
	`seq` integer NOT NULL,
	`name` text,
	`isGone` integer NOT NULL,
	PRIMARY KEY(`objectId`, `kind`, `seq`)
);
--> statement-breakpoint
CREATE INDEX `journal_object_by_seq` ON `journal_object` (`seq`);--> statement-breakpoint
CREATE INDEX `journal_object_by_kind` ON `journal_object` (`kind`,`seq`);--> statement-breakpoint
CREATE TABLE `journal` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`epoch` integer NOT NULL,
	`at` integer NOT NULL,
	`actor` text NOT NULL,
	`operation` text NOT NULL,
	`requestId` text,
	`changes` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `journal_by_age` ON `journal` (`at`);--> statement-breakpoint
CREATE INDEX `journal_by_actor` ON `journal` (`actor`);--> statement-breakpoint
CREATE TABLE `task` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`state` text NOT NULL,
	`input` text NOT NULL,
	`memory` text NOT NULL,
	`marker` integer NOT NULL,
	`stepNames` text NOT NULL,
	`isCancelRequested` integer NOT NULL,
	`progress` real NOT NULL,
	`message` text NOT NULL,
	`problem` text,
	`actor` text NOT NULL,
	`operation` text NOT NULL,
	`requestId` text,
	`about` text NOT NULL,
	`createdAt` integer NOT NULL,
	`startedAt` integer,
	`endedAt` integer
);
--> statement-breakpoint
CREATE INDEX `task_by_state` ON `task` (`state`,`createdAt`);--> statement-breakpoint
CREATE TABLE `certificate` (
	`hostId` text NOT NULL,
	`isOwn` integer PRIMARY KEY NOT NULL,
	`chain` text NOT NULL,
	`key` text NOT NULL,
	FOREIGN KEY (`hostId`) REFERENCES `host`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `host_boot` (
	`bootId` text PRIMARY KEY NOT NULL,
	`beganAt` integer NOT NULL,
	`seenAt` integer NOT NULL,
	`leftAt` integer,
	`isPlanned` integer NOT NULL,
	`end` text,
	`endedAt` integer,
	`message` text
);
--> statement-breakpoint
CREATE TABLE `host_settings` (
	`hostId` text PRIMARY KEY NOT NULL,
	`hostname` text,
	`timeZone` text,
	`ntpServers` text,
	`sshKeys` text,
	`generation` integer NOT NULL,
	FOREIGN KEY (`hostId`) REFERENCES `host`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `host` (
	`id` text PRIMARY KEY NOT NULL,
	`createdAt` integer NOT NULL,
	`checkedAt` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `network_fact` (
	`name` text PRIMARY KEY NOT NULL,
	`state` text NOT NULL,
	`reason` text NOT NULL,
	`since` integer NOT NULL,
	`bridge` text NOT NULL,
	`subnet` text,
	`isOurs` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `network` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`kind` text NOT NULL,
	`description` text NOT NULL,
	`subnet` text,
	`bridge` text,
	`generation` integer NOT NULL,
	`createdAt` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `network_name_unique` ON `network` (`name`);--> statement-breakpoint
CREATE TABLE `offered_bridge` (
	`name` text PRIMARY KEY NOT NULL,
	`at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `port_trial` (
	`taskId` text PRIMARY KEY NOT NULL,
	`confirmedAt` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `site_content` (
	`disk` text PRIMARY KEY NOT NULL,
	`state` text NOT NULL,
	`content` text NOT NULL,
	`at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `site_file` (
	`id` text PRIMARY KEY NOT NULL,
	`state` text NOT NULL,
	`source` text NOT NULL,
	`digest` text NOT NULL,
	`document` text,
	`faults` text NOT NULL,
	`isFound` integer NOT NULL,
	`actor` text NOT NULL,
	`task` text,
	`failures` integer NOT NULL,
	`receivedAt` integer NOT NULL,
	`endedAt` integer
);
--> statement-breakpoint
CREATE TABLE `disk_fact` (
	`diskId` text PRIMARY KEY NOT NULL,
	`occupiedBytes` integer NOT NULL,
	FOREIGN KEY (`diskId`) REFERENCES `disk`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `disk_layer` (
	`id` text PRIMARY KEY NOT NULL,
	`diskId` text NOT NULL,
	`parentId` text,
	`format` text NOT NULL,
	`allocation` text NOT NULL,
	`sizeBytes` integer NOT NULL,
	`holder` text,
	`createdAt` integer NOT NULL,
	FOREIGN KEY (`diskId`) REFERENCES `disk`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `disk_layer_by_disk` ON `disk_layer` (`diskId`);--> statement-breakpoint
CREATE TABLE `disk` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`description` text NOT NULL,
	`domainId` text NOT NULL,
	`volumeId` text NOT NULL,
	`parentId` text,
	`baseDiskId` text,
	`format` text NOT NULL,
	`allocation` text NOT NULL,
	`sizeBytes` integer NOT NULL,
	`state` text NOT NULL,
	`generation` integer NOT NULL,
	`createdAt` integer NOT NULL,
	FOREIGN KEY (`domainId`) REFERENCES `storage_domain`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`baseDiskId`) REFERENCES `disk`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `disk_name_unique` ON `disk` (`name`);--> statement-breakpoint
CREATE INDEX `disk_by_domain` ON `disk` (`domainId`);--> statement-breakpoint
CREATE INDEX `disk_by_base` ON `disk` (`baseDiskId`);--> statement-breakpoint
CREATE TABLE `storage_export` (
	`volumeId` text PRIMARY KEY NOT NULL,
	`diskId` text NOT NULL,
	`sourceVolumeId` text NOT NULL,
	`sourceModifiedAt` integer NOT NULL,
	`format` text NOT NULL,
	`state` text NOT NULL,
	`usedAt` integer NOT NULL,
	FOREIGN KEY (`diskId`) REFERENCES `disk`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `iso` (
	`domainId` text NOT NULL,
	`name` text NOT NULL,
	`sizeBytes` integer NOT NULL,
	`modifiedAt` integer NOT NULL,
	`sha256` text,
	`state` text NOT NULL,
	PRIMARY KEY(`domainId`, `name`),
	FOREIGN KEY (`domainId`) REFERENCES `storage_domain`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `storage_reservation` (
	`id` text PRIMARY KEY NOT NULL,
	`domainId` text NOT NULL,
	`bytes` integer NOT NULL,
	`path` text NOT NULL,
	FOREIGN KEY (`domainId`) REFERENCES `storage_domain`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `storage_domain_fact` (
	`domainId` text PRIMARY KEY NOT NULL,
	`status` text NOT NULL,
	`reason` text NOT NULL,
	`space` text NOT NULL,
	`totalBytes` integer NOT NULL,
	`freeBytes` integer NOT NULL,
	`since` integer NOT NULL,
	FOREIGN KEY (`domainId`) REFERENCES `storage_domain`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `storage_domain` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`description` text NOT NULL,
	`kind` text NOT NULL,
	`type` text NOT NULL,
	`folder` text NOT NULL,
	`lowSpacePercent` integer NOT NULL,
	`criticalSpaceBytes` integer NOT NULL,
	`generation` integer NOT NULL,
	`createdAt` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `storage_domain_name_unique` ON `storage_domain` (`name`);--> statement-breakpoint
CREATE TABLE `upload` (
	`id` text PRIMARY KEY NOT NULL,
	`target` text NOT NULL,
	`state` text NOT NULL,
	`domainId` text NOT NULL,
	`diskId` text,
	`volumeId` text,
	`name` text,
	`format` text,
	`totalBytes` integer,
	`receivedBytes` integer NOT NULL,
	`actor` text NOT NULL,
	`createdAt` integer NOT NULL,
	`touchedAt` integer NOT NULL,
	FOREIGN KEY (`domainId`) REFERENCES `storage_domain`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `upload_target_unique` ON `upload` (`target`);--> statement-breakpoint
CREATE TABLE `update_policy` (
	`id` integer PRIMARY KEY NOT NULL,
	`source` text,
	`install` text NOT NULL,
	`window` text NOT NULL,
	`generation` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `vm_cloud_init` (
	`vmId` text PRIMARY KEY NOT NULL,
	`settings` text NOT NULL,
	`instanceId` text NOT NULL,
	FOREIGN KEY (`vmId`) REFERENCES `vm`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `vm_defaults` (
	`id` integer PRIMARY KEY NOT NULL,
	`cpu` text NOT NULL,
	`generation` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `vm_disk` (
	`diskId` text PRIMARY KEY NOT NULL,
	`vmId` text NOT NULL,
	`slot` integer NOT NULL,
	`settings` text NOT NULL,
	`leaving` text,
	FOREIGN KEY (`vmId`) REFERENCES `vm`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `vm_disk_slot` ON `vm_disk` (`vmId`,`slot`);--> statement-breakpoint
CREATE TABLE `vm_fact` (
	`vmId` text PRIMARY KEY NOT NULL,
	`state` text NOT NULL,
	`reason` text NOT NULL,
	`said` text NOT NULL,
	`since` integer NOT NULL,
	`startedAt` integer,
	`running` text,
	`hasAgent` integer NOT NULL,
	`isDeleting` integer NOT NULL,
	`heldFrom` text,
	`saved` text,
	FOREIGN KEY (`vmId`) REFERENCES `vm`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `vm_fact_state` ON `vm_fact` (`state`);--> statement-breakpoint
CREATE TABLE `vm_host_device` (
	`id` text PRIMARY KEY NOT NULL,
	`vmId` text NOT NULL,
	`rule` text NOT NULL,
	`createdAt` integer NOT NULL,
	FOREIGN KEY (`vmId`) REFERENCES `vm`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `vm_host_device_rule` ON `vm_host_device` (`vmId`,`rule`);--> statement-breakpoint
CREATE TABLE `vm_nic` (
	`id` text PRIMARY KEY NOT NULL,
	`vmId` text NOT NULL,
	`slot` integer NOT NULL,
	`network` text NOT NULL,
	`mac` text NOT NULL,
	`settings` text NOT NULL,
	FOREIGN KEY (`vmId`) REFERENCES `vm`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `vm_nic_mac_unique` ON `vm_nic` (`mac`);--> statement-breakpoint
CREATE UNIQUE INDEX `vm_nic_slot` ON `vm_nic` (`vmId`,`slot`);--> statement-breakpoint
CREATE INDEX `vm_nic_network` ON `vm_nic` (`network`);--> statement-breakpoint
CREATE TABLE `vm_pool_member` (
	`vmId` text PRIMARY KEY NOT NULL,
	`poolId` text NOT NULL,
	`templateId` text NOT NULL,
	`number` integer NOT NULL,
	`userId` text,
	`isDirty` integer NOT NULL,
	FOREIGN KEY (`vmId`) REFERENCES `vm`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`poolId`) REFERENCES `vm_pool`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `vm_pool_member_number` ON `vm_pool_member` (`poolId`,`number`);--> statement-breakpoint
CREATE UNIQUE INDEX `vm_pool_member_user` ON `vm_pool_member` (`poolId`,`userId`);--> statement-breakpoint
CREATE TABLE `vm_pool_request` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`poolId` text NOT NULL,
	`userId` text NOT NULL,
	`createdAt` integer NOT NULL,
	FOREIGN KEY (`poolId`) REFERENCES `vm_pool`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `vm_pool_request_user` ON `vm_pool_request` (`poolId`,`userId`);--> statement-breakpoint
CREATE TABLE `vm_pool` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`description` text NOT NULL,
	`templateId` text NOT NULL,
	`size` integer NOT NULL,
	`prestarted` integer NOT NULL,
	`cloudInit` text,
	`isDeleting` integer NOT NULL,
	`generation` integer NOT NULL,
	`createdAt` integer NOT NULL,
	FOREIGN KEY (`templateId`) REFERENCES `vm_template`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `vm_pool_name_unique` ON `vm_pool` (`name`);--> statement-breakpoint
CREATE TABLE `vm_present` (
	`vmId` text PRIMARY KEY NOT NULL,
	`snapshotId` text,
	`before` text,
	FOREIGN KEY (`vmId`) REFERENCES `vm`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `vm_snapshot` (
	`id` text PRIMARY KEY NOT NULL,
	`vmId` text NOT NULL,
	`parentId` text,
	`name` text NOT NULL,
	`description` text NOT NULL,
	`state` text NOT NULL,
	`consistency` text NOT NULL,
	`config` text NOT NULL,
	`memory` text,
	`createdAt` integer NOT NULL,
	FOREIGN KEY (`vmId`) REFERENCES `vm`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `vm_snapshot_name` ON `vm_snapshot` (`vmId`,`name`);--> statement-breakpoint
CREATE TABLE `vm` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`description` text NOT NULL,
	`vcpus` integer NOT NULL,
	`memoryBytes` integer NOT NULL,
	`firmware` text NOT NULL,
	`hardware` text NOT NULL,
	`bootOrder` text NOT NULL,
	`cdrom` text,
	`autostart` integer NOT NULL,
	`startup` text NOT NULL,
	`generation` integer NOT NULL,
	`createdAt` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `vm_name_unique` ON `vm` (`name`);--> statement-breakpoint
CREATE TABLE `vm_template_disk` (
	`diskId` text PRIMARY KEY NOT NULL,
	`templateId` text NOT NULL,
	`slot` integer NOT NULL,
	`settings` text NOT NULL,
	FOREIGN KEY (`templateId`) REFERENCES `vm_template`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `vm_template_disk_by_template` ON `vm_template_disk` (`templateId`);--> statement-breakpoint
CREATE TABLE `vm_template` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`version` integer NOT NULL,
	`description` text NOT NULL,
	`state` text NOT NULL,
	`madeFrom` text NOT NULL,
	`isGeneralised` integer NOT NULL,
	`hardware` text NOT NULL,
	`nics` text NOT NULL,
	`generation` integer NOT NULL,
	`createdAt` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `vm_template_version` ON `vm_template` (`name`,`version`);--> statement-breakpoint
CREATE TABLE `vm_variables` (
	`holder` text PRIMARY KEY NOT NULL,
	`plain` blob,
	`secure` blob
);
