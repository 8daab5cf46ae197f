/* notice_webhook.c: a POST by libcurl, over its multi interface, so that the
 * end of trajd's patience ends a transfer too; the notify thread. */
#include "threads/notice.h"

#include <curl/curl.h>

#include "base/clock.h"
#include "threads/notify.h"

#define POLL_MS 50

struct post {
    CURL *curl;
    CURLM *multi;
    struct curl_slist *headers;
    char error[CURL_ERROR_SIZE];
};

/* Nobody reads the answer. */
static size_t drop(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes;
    (void)context;
    return size * count;
}

static bool set_options(
    struct post *post, const char *url, const struct notice *notice)
{
    CURL *curl = post->curl;
    return curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           /* A proxy of the environment knows nothing of our loopback. */
           curl_easy_setopt(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1") ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(
               curl, CURLOPT_TIMEOUT_MS, (long)NOTIFY_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, post->error) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_USERAGENT,
               "trajd/" TRAJ_BUILD_VERSION) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
               (curl_off_t)notice->json.n) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_POSTFIELDS, notice->json.p) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, post->headers) ==
               CURLE_OK;
}

static enum err_code judge(struct post *post, CURLcode result, struct err *e)
{
    long status = 0;
    if (result != CURLE_OK) {
        return err_set(e, ERR_IO, "%s",
            post->error[0] != '\0' ? post->error : curl_easy_strerror(result));
    }
    (void)curl_easy_getinfo(post->curl, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status < 300
               ? ERR_NONE
               : err_set(e, ERR_IO, "answered %ld", status);
}

/* Until the one transfer has ended, or the patience. */
static enum err_code perform(
    struct post *post, struct patience *patience, struct err *e)
{
    int running = 1;
    while (patience_lasts(patience, INT64_MAX)) {
        int left = 0;
        CURLMcode code = curl_multi_perform(post->multi, &running);
        const CURLMsg *message = curl_multi_info_read(post->multi, &left);
        if (message != NULL && message->msg == CURLMSG_DONE) {
            return judge(post, message->data.result, e);
        }
        if (code == CURLM_OK) {
            code = curl_multi_poll(post->multi, NULL, 0, POLL_MS, NULL);
        }
        if (code != CURLM_OK) {
            return err_set(e, ERR_IO, "%s", curl_multi_strerror(code));
        }
    }
    return err_set(e, ERR_IO, "trajd stopped before the answer came");
}

static enum err_code post_once(const char *url, const struct notice *notice,
    struct patience *patience, struct err *e)
{
    struct post post = { .curl = curl_easy_init(),
        .multi = curl_multi_init(),
        .headers = curl_slist_append(NULL, "Content-Type: application/json") };
    enum err_code code = ERR_NONE;
    if (post.curl == NULL || post.multi == NULL || post.headers == NULL ||
        !set_options(&post, url, notice) ||
        curl_multi_add_handle(post.multi, post.curl) != CURLM_OK) {
        code = err_nomem(e);
    } else {
        code = perform(&post, patience, e);
        (void)curl_multi_remove_handle(post.multi, post.curl);
    }
    curl_easy_cleanup(post.curl);
    (void)curl_multi_cleanup(post.multi); /* nothing is in it any more */
    curl_slist_free_all(post.headers);
    return code;
}

enum err_code notice_webhook(const char *url, const struct notice *notice,
    struct patience *patience, struct err *e)
{
    int64_t backoff_ns = NOTIFY_BACKOFF_MS * NS_PER_MS;
    enum err_code code = post_once(url, notice, patience, e);
    for (int tries = 1; code != ERR_NONE && tries < NOTIFY_TRIES; tries++) {
        patience_wait(patience, clock_mono_ns() + backoff_ns);
        if (!patience_lasts(patience, INT64_MAX)) {
            return code;
        }
        backoff_ns *= 2;
        code = post_once(url, notice, patience, e);
    }
    return code;
}
