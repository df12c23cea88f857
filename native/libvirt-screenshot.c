/**
 * What the guest shows, as PNG. QEMU sends a PPM, several megabytes; it is compressed here so that neither the pipe nor
 * Node's main thread has to carry it. The guest chooses the size of its screen, so the size is bounded.
 */
#include <libvirt/libvirt.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libvirt-calls.h"

#define LARGEST_PICTURE (64u << 20)

struct picture {
    char *bytes; /* followed by a NUL */
    size_t length;
};

static int receive(virStreamPtr stream, const char *bytes, size_t length, void *opaque)
{
    struct picture *picture = opaque;

    (void)stream;
    if (picture->length + length > LARGEST_PICTURE) return -1;
    char *grown = realloc(picture->bytes, picture->length + length + 1);
    if (!grown) return -1;
    memcpy(grown + picture->length, bytes, length);
    picture->bytes = grown;
    picture->length += length;
    grown[picture->length] = '\0';
    return (int)length;
}

/** Fetches the picture; the caller frees `picture->bytes` in any case. */
static int fetch(struct call *call, virDomainPtr domain, struct picture *picture)
{
    virStreamPtr stream = virStreamNew(call->connection, 0);
    if (!stream) return fail_libvirt(call);
    char *mime = virDomainScreenshot(domain, stream, 0, 0);
    int result = mime ? 0 : fail_libvirt(call);

    if (mime) {
        if (virStreamRecvAll(stream, receive, picture) < 0) {
            result = fail_libvirt(call);
            virStreamAbort(stream);
        } else if (virStreamFinish(stream) < 0) {
            result = fail_libvirt(call);
        }
    }
    free(mime);
    virStreamFree(stream);
    return result;
}

/** The pixels of a PPM with 8 bits per colour, or NULL. */
static const char *find_pixels(const struct picture *picture, unsigned *width, unsigned *height)
{
    int head = 0;

    if (picture->length == 0) return NULL;
    if (sscanf(picture->bytes, "P6 %5u %5u 255%n", width, height, &head) != 2 || head == 0) return NULL;
    size_t pixels = (size_t)*width * *height * 3;
    return pixels > 0 && pixels <= picture->length - (size_t)head - 1 ? picture->bytes + head + 1 : NULL;
}

static int answer_png(struct call *call, const struct picture *picture)
{
    png_image image = { .version = PNG_IMAGE_VERSION, .format = PNG_FORMAT_RGB, .flags = PNG_IMAGE_FLAG_FAST };
    const char *pixels = find_pixels(picture, &image.width, &image.height);

    if (!pixels) return fail_with(call, "QEMU sent a picture that is neither PNG nor PPM", true);
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    uint8_t *png = malloc(size);
    if (png && png_image_write_to_memory(&image, png, &size, 0, pixels, 0, NULL)) json_base64(&call->answer, png, size);
    else fail_with(call, png ? image.message : "out of memory", true);
    free(png);
    return call->error.length > 0 ? -1 : 0;
}

int run_screenshot(struct call *call, virDomainPtr domain)
{
    struct picture picture = { 0 };
    int result = fetch(call, domain, &picture);

    if (result == 0 && picture.length > 8 && memcmp(picture.bytes, "\x89PNG\r\n\x1a\n", 8) == 0) {
        json_base64(&call->answer, (const uint8_t *)picture.bytes, picture.length);
    } else if (result == 0) {
        result = answer_png(call, &picture);
    }
    free(picture.bytes);
    return result;
}
