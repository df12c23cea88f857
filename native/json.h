/**
 * A growing text buffer that writes JSON. libvirt, QEMU and guests supply the strings: what is not valid UTF-8 becomes
 * U+FFFD, control characters are escaped, so a line is always one valid JSON value.
 *
 * Running out of memory marks the buffer (`is_broken`); what is written afterwards is dropped and the owner checks once.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
    char *text;
    size_t length;
    size_t room;
    bool is_broken;
};

/** Text as it stands; printf rules. For punctuation, keys and numbers, never for foreign strings. */
void json_raw(struct json *json, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** A quoted string; NULL becomes `""`. */
void json_string(struct json *json, const char *text);

/** A quoted string of bytes in base64. */
void json_base64(struct json *json, const uint8_t *bytes, size_t length);

/** What another buffer holds; it stays the other's. */
void json_append(struct json *json, const struct json *piece);

void json_free(struct json *json);
