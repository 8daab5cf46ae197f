/* hello: reads and writes one small file; keeps no state. */
#include "transport/hello.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "transport/platform.h"
#include "transport/record.h"
#include "wire.h"

static void put_member(struct text *t, const char *key, const char *value)
{
    text_put(t, t->n > 1 ? "," : "");
    text_put_json(t, key, strlen(key));
    text_put(t, ":");
    text_put(t, value);
}

static void put_text_member(struct text *t, const char *key, const char *text)
{
    put_member(t, key, "");
    text_put_json(t, text, strlen(text));
}

static void put_number_member(struct text *t, const char *key, int64_t number)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%" PRId64, number);
    put_member(t, key, digits);
}

static void put_tags(struct text *t, const char *tags)
{
    bool first = true;
    put_member(t, "tags", "[");
    for (const char *p = tags; *p != '\0';) {
        size_t n = strcspn(p, ",");
        if (n > 0) {
            text_put(t, first ? "" : ",");
            text_put_json(t, p, n);
            first = false;
        }
        p += n + (p[n] == ',');
    }
    text_put(t, "]");
}

static void put_group(struct text *t, const struct traj_group *group)
{
    char numbers[160];
    text_put(t, "{\"name\":");
    text_put_json(t, group->name, strlen(group->name));
    (void)snprintf(numbers, sizeof numbers,
        ",\"size\":%" PRIu64 ",\"rows\":%" PRIu32 ",\"cols\":%" PRIu32
        ",\"norm\":%u,\"combine\":%u}",
        group->size, group->rows, group->cols, (unsigned)group->norm,
        (unsigned)group->combine);
    text_put(t, numbers);
}

static void put_groups(struct text *t, const struct run_groups *groups)
{
    put_member(t, "groups", "[");
    for (uint32_t i = 0; i < groups->n; i++) {
        text_put(t, i == 0 ? "" : ",");
        put_group(t, &groups->v[i]);
    }
    text_put(t, "]");
}

enum traj_status hello_make(
    const struct options *options, uint32_t attempt, struct text *ret_json)
{
    char started[24];
    char host[201] = "";
    (void)gethostname(host, sizeof host - 1); /* unknown: stays empty */
    (void)snprintf(started, sizeof started, "%" PRId64, times_now().wall_ns);
    struct text *t = ret_json;
    *t = (struct text){ 0 };
    text_put(t, "{");
    put_text_member(t, "run_id", options->run_id);
    put_number_member(t, "attempt", attempt);
    put_number_member(t, "rank", options->rank);
    put_number_member(t, "world", options->world);
    put_text_member(t, "project", options->project);
    put_text_member(t, "name", options->name);
    put_member(t, "config", options->config_json);
    put_tags(t, options->tags);
    if (options->optimizer != NULL) {
        put_text_member(t, "optimizer", options->optimizer);
    }
    if (options->fork_run != NULL) {
        char step[24];
        (void)snprintf(step, sizeof step, "%" PRIu64, options->fork_step);
        put_text_member(t, "fork_of", options->fork_run);
        put_text_member(t, "fork_step", step);
    }
    put_text_member(t, "host", host);
    put_text_member(t, "program", platform_program());
    put_text_member(t, "client", "libtraj " TRAJ_VERSION);
    put_number_member(t, "pid", getpid());
    put_text_member(t, "started_wall_ns", started);
    if (options->groups.n > 0) {
        put_groups(t, &options->groups);
    }
    text_put(t, "}");
    if (t->failed) {
        return error_set_static(TRAJ_ENOMEM, "out of memory for the hello");
    }
    return TRAJ_OK;
}

static int write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, p, n);
        if (written < 0 && errno != EINTR) {
            return errno;
        }
        if (written > 0) {
            p += written;
            n -= (size_t)written;
        }
    }
    return fsync(fd) == 0 ? 0 : errno;
}

enum traj_status hello_write(int dir_fd, const struct text *json)
{
    int fd = openat(
        dir_fd, "hello.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return error_set(TRAJ_EIO, "create hello.tmp: %s", strerror(errno));
    }
    int error = write_all(fd, json->p, json->n);
    if (close(fd) != 0 && error == 0) {
        error = errno;
    }
    if (error == 0 &&
        renameat(dir_fd, "hello.tmp", dir_fd, "hello.json") != 0) {
        error = errno;
    }
    if (error != 0) {
        return error_set(TRAJ_EIO, "write hello.json: %s", strerror(error));
    }
    return TRAJ_OK;
}

enum traj_status hello_read(int dir_fd, struct text *ret_json)
{
    *ret_json = (struct text){ 0 };
    int fd = openat(dir_fd, "hello.json", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_set(TRAJ_EIO, "open hello.json: %s", strerror(errno));
    }
    char chunk[4096];
    ssize_t n = 0;
    while (ret_json->n <= WIRE_HELLO_MAX &&
           (n = read(fd, chunk, sizeof chunk)) > 0) {
        text_append(ret_json, chunk, (size_t)n);
    }
    int error = n < 0 ? errno : 0;
    (void)close(fd); /* was only read */
    if (ret_json->failed) {
        return error_set_static(TRAJ_ENOMEM, "out of memory for hello.json");
    }
    if (error != 0 || ret_json->n == 0 || ret_json->n > WIRE_HELLO_MAX) {
        return error_set(TRAJ_EIO, "read hello.json: %s",
            error != 0 ? strerror(error) : "its length is wrong");
    }
    return TRAJ_OK;
}
