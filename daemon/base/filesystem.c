/* filesystem.c: owns nothing; any thread. Linux. */
#include "base/filesystem.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

/* statfs(2) lists them. FUSE is most often sshfs here, and its other kinds are
 * as little tried. */
const char *filesystem_network_name(unsigned long type)
{
    static const struct {
        unsigned long type;
        const char *name;
    } kinds[] = {
        { 0x6969, "NFS" },
        { 0x517b, "SMB" },
        { 0xfe534d42, "SMB" },
        { 0xff534d42, "CIFS" },
        { 0x01021997, "9P" },
        { 0x65735546, "FUSE (sshfs?)" },
        { 0x73757245, "Coda" },
        { 0x5346414f, "AFS" },
        { 0x00c36400, "Ceph" },
        { 0x0bd00bd0, "Lustre" },
        { 0x47504653, "GPFS" },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].type == (type & 0xffffffff)) {
            return kinds[i].name;
        }
    }
    return NULL;
}

const char *filesystem_network_of(const char *path)
{
    struct statfs status;
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - path);
    char *folder = malloc(n + 2);
    if (folder == NULL) {
        return NULL;
    }
    memcpy(folder, path, n);
    (void)strncpy(folder + n, slash == NULL ? "." : n == 0 ? "/" : "", 2);
    int rc = statfs(folder, &status);
    free(folder);
    return rc == 0 ? filesystem_network_name((unsigned long)status.f_type)
                   : NULL;
}
