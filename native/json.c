/** See json.h. */
#include "json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_room(struct json *json, size_t more)
{
    if (json->is_broken) return false;
    size_t wanted = json->length + more + 1;
    if (wanted <= json->room) return true;
    size_t room = json->room ? json->room : 128;
    while (room < wanted) room *= 2;
    char *text = realloc(json->text, room);
    if (!text) {
        json->is_broken = true;
        return false;
    }
    json->text = text;
    json->room = room;
    return true;
}

static void append(struct json *json, const char *bytes, size_t length)
{
    if (!has_room(json, length)) return;
    memcpy(json->text + json->length, bytes, length);
    json->length += length;
    json->text[json->length] = '\0';
}

void json_raw(struct json *json, const char *format, ...)
{
    char piece[256];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof piece) json->is_broken = true;
    else append(json, piece, (size_t)length);
}

/** Length of the valid UTF-8 sequence at `text`, or 0. The terminating NUL is no continuation byte, so it stops the read. */
static int sequence_length(const unsigned char *text)
{
    unsigned char lead = text[0], low = 0x80, high = 0xbf;
    int length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;

    if (lead == 0xe0) low = 0xa0; /* overlong */
    if (lead == 0xed) high = 0x9f; /* surrogates */
    if (lead == 0xf0) low = 0x90; /* overlong */
    if (lead == 0xf4) high = 0x8f; /* beyond U+10FFFF */
    for (int i = 1; i < length; i++) {
        if (text[i] < low || text[i] > high) return 0;
        low = 0x80;
        high = 0xbf;
    }
    return length;
}

void json_string(struct json *json, const char *text)
{
    append(json, "\"", 1);
    while (text && *text) {
        int length = sequence_length((const unsigned char *)text);
        unsigned char byte = (unsigned char)*text;
        if (length == 0) append(json, "\xef\xbf\xbd", 3);
        else if (byte < 0x20 || byte == 0x7f) json_raw(json, "\\u%04x", byte);
        else if (byte == '"' || byte == '\\') json_raw(json, "\\%c", byte);
        else append(json, text, (size_t)length);
        text += length ? length : 1;
    }
    append(json, "\"", 1);
}

void json_base64(struct json *json, const uint8_t *bytes, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    append(json, "\"", 1);
    for (size_t at = 0; at < length; at += 3) {
        size_t left = length - at;
        uint32_t group = (uint32_t)bytes[at] << 16;
        if (left > 1) group |= (uint32_t)bytes[at + 1] << 8;
        if (left > 2) group |= bytes[at + 2];
        char quad[4] = { digits[group >> 18], digits[group >> 12 & 63], digits[group >> 6 & 63], digits[group & 63] };
        if (left < 3) quad[3] = '=';
        if (left < 2) quad[2] = '=';
        append(json, quad, 4);
    }
    append(json, "\"", 1);
}

void json_append(struct json *json, const struct json *piece)
{
    json->is_broken |= piece->is_broken;
    append(json, piece->text, piece->length);
}

void json_free(struct json *json)
{
    free(json->text);
    *json = (struct json){ 0 };
}
