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
CREATE INDEX `task_by_state` ON `task` (`state`,`createdAt`);