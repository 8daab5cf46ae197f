/* print.c: keeps nothing; one thread. */
#include "cli/print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/member.h"

#define ELLIPSIS "\xe2\x80\xa6"

static void print_number(FILE *out, double value)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        double back = strtod(text, NULL);
        if (memcmp(&back, &value, sizeof back) == 0) {
            break;
        }
    }
    fputs(text, out);
}

static void print_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0';
         c++) {
        if (*c == '"' || *c == '\\') {
            fprintf(out, "\\%c", *c);
        } else if (*c < 0x20 || *c == 0x7f) {
            fprintf(out, "\\u%04x", *c);
        } else {
            fputc(*c, out);
        }
    }
    fputc('"', out);
}

static void print_children(FILE *out, const cJSON *item)
{
    bool object = cJSON_IsObject(item);
    fputc(object ? '{' : '[', out);
    for (const cJSON *child = item->child; child != NULL; child = child->next) {
        if (object) {
            print_string(out, child->string);
            fputc(':', out);
        }
        print_json(out, child);
        if (child->next != NULL) {
            fputc(',', out);
        }
    }
    fputc(object ? '}' : ']', out);
}

/* Recursive; cJSON_Parse has bounded the depth. */
void print_json(FILE *out, const cJSON *item)
{
    if (cJSON_IsObject(item) || cJSON_IsArray(item)) {
        print_children(out, item);
    } else if (cJSON_IsNumber(item)) {
        print_number(out, item->valuedouble);
    } else if (cJSON_IsString(item)) {
        print_string(out, item->valuestring);
    } else if (cJSON_IsBool(item)) {
        fputs(cJSON_IsTrue(item) ? "true" : "false", out);
    } else {
        fputs("null", out);
    }
}

/* Of UTF-8, whose bytes 10xxxxxx go on with a character. */
static bool goes_on(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

size_t print_width(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++) {
        n += !goes_on(*text);
    }
    return n;
}

/* At most max characters. */
static void print_some(FILE *out, const char *text, size_t max)
{
    size_t n = 0;
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        n += !goes_on(*text);
        if (n > max) {
            return;
        }
        fputc(c < 0x20 || c == 0x7f ? '?' : c, out);
    }
}

void print_text(FILE *out, const char *text)
{
    print_some(out, text, SIZE_MAX);
}

void print_cut(FILE *out, const char *text, size_t max)
{
    bool cut = print_width(text) > max;
    print_some(out, text, cut ? max - 1 : max);
    if (cut) {
        fputs(ELLIPSIS, out);
    }
}

void print_column(FILE *out, const char *text, size_t width, bool cut)
{
    size_t n = print_width(text);
    if (cut && n >= width) {
        print_some(out, text, width - 2);
        fputs(ELLIPSIS, out);
        n = width - 1;
    } else {
        print_text(out, text);
    }
    do {
        fputc(' ', out);
        n++;
    } while (n < width);
}

void print_age(FILE *out, const cJSON *object, const char *wall_ns_name)
{
    uint64_t then_s = member_u64(object, wall_ns_name) / 1000000000;
    time_t now = time(NULL);
    uint64_t age_s =
        now > 0 && (uint64_t)now > then_s ? (uint64_t)now - then_s : 0;
    if (age_s < 120) {
        fprintf(out, "%" PRIu64 " s", age_s);
    } else if (age_s < 7200) {
        fprintf(out, "%" PRIu64 " min", age_s / 60);
    } else if (age_s < 172800) {
        fprintf(out, "%" PRIu64 " h", age_s / 3600);
    } else {
        fprintf(out, "%" PRIu64 " d", age_s / 86400);
    }
}
