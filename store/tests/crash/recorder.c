/* Preloaded by the crash tests: notes, in one order, everything a process does to the files below a folder, and makes some of it fail.
 *
 * RECORD_ROOT is the folder, RECORD_LOG the file of notes (none are taken without it). A note is a head of 24 octets in the machine's order
 * (kind u32, descriptor i32, value i64, length u64) and its octets.
 *
 * Faults are ordered by writing a line to ROOT/control: "KIND PART AFTER COUNT ERRNO": of the calls of this kind on paths that contain PART,
 * AFTER ones go well, then COUNT fail. Kinds: w write, h half of a write and then the error if there is one, s sync, r read, o open that makes a file,
 * t truncate, u unlink, b sync and truncate. ENOSPC strikes only writes that make a file longer. "q OCTETS": so much room is left; removing files gives theirs back.
 * W: as w, and ENOSPC strikes any write, as where nothing is written in place. A PART that ends in $ is the end of a path. "off" ends all. Each fault that struck adds an octet to ROOT/hits. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, CLOSE, WRITE, LENGTH, SYNC, RENAME, UNLINK, MKDIR, RMDIR };
enum { FDS = 1024, PATH = 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH];
static int log_fd = -1;
static char *paths[FDS]; /* of open files below the root */
static struct { char kind, part[64]; long after, count; int error; } fault;
static long room = -1; /* octets left; less than zero: endless */

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("RECORD_ROOT"), *notes = getenv("RECORD_LOG");
    if (!folder) return;
    snprintf(root, sizeof root, "%s/", folder);
    if (notes) log_fd = syscall(SYS_openat, AT_FDCWD, notes, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void note(uint32_t kind, int fd, int64_t value, const void *octets, uint64_t len) {
    if (log_fd < 0) return;
    int kept = errno;
    char head[24];
    memcpy(head, &kind, 4);
    memcpy(head + 4, &fd, 4);
    memcpy(head + 8, &value, 8);
    memcpy(head + 16, &len, 8);
    struct iovec parts[2] = {{head, sizeof head}, {(void *)octets, len}};
    if (syscall(SYS_writev, log_fd, parts, 2) != (long)(sizeof head + len)) abort();
    errno = kept;
}

static int is_named(const char *path, const char *name) { return strcmp(path + strlen(root), name) == 0; }

static int is_ours(const char *path) { return root[0] && strncmp(path, root, strlen(root)) == 0; }

/* The path of what a call names, if it is below the root. */
static const char *whole(int dir, const char *path, char out[PATH]) {
    if (path[0] == '/' || dir == AT_FDCWD) snprintf(out, PATH, "%s", path);
    else if (dir >= 0 && dir < FDS && paths[dir]) snprintf(out, PATH, "%s/%s", paths[dir], path);
    else return NULL;
    size_t len = strlen(root) - 1;
    return is_ours(out) || (root[0] && strlen(out) == len && strncmp(out, root, len) == 0) ? out : NULL;
}

static const char *path_of(int fd) { return fd >= 0 && fd < FDS ? paths[fd] : NULL; }

static void hit(void) {
    char name[PATH + 8];
    snprintf(name, sizeof name, "%shits", root);
    int fd = syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0 || syscall(SYS_write, fd, "x", 1) != 1) abort();
    syscall(SYS_close, fd);
}

/* Whether the ordered fault is for this path. */
static int fits(const char *path) {
    size_t len = strlen(fault.part), all = strlen(path);
    if (len == 0 || fault.part[len - 1] != '$') return strstr(path, fault.part) != NULL;
    return all >= len - 1 && strncmp(path + all - (len - 1), fault.part, len - 1) == 0;
}

/* Whether the ordered fault strikes this call. */
static int strikes(char kind, const char *path) {
    int both = fault.kind == 'b' && (kind == 's' || kind == 't');
    if ((fault.kind != kind && !both) || fault.count <= 0 || !fits(path)) return 0;
    if (fault.after-- > 0) return 0;
    fault.count--;
    hit();
    errno = fault.error;
    return 1;
}

static void control(const char *line, size_t len) {
    char text[128];
    snprintf(text, sizeof text, "%.*s", (int)len, line);
    memset(&fault, 0, sizeof fault);
    room = -1;
    if (sscanf(text, "q %ld", &room) == 1) return;
    if (sscanf(text, "%c %63s %ld %ld %d", &fault.kind, fault.part, &fault.after, &fault.count, &fault.error) != 5) fault.kind = 0;
}

static long size_of(int fd) {
    struct stat s;
    return fstat(fd, &s) == 0 && S_ISREG(s.st_mode) ? s.st_size : 0;
}

/* How much of a write is let through; less than zero: none, errno is set. */
static ssize_t admitted(int fd, const char *path, size_t len, int64_t offset) {
    long grown = offset + (long)len - size_of(fd);
    if (room >= 0 && grown > 0) {
        if (room == 0) { hit(); errno = ENOSPC; return -1; }
        long now = grown > room ? room : grown;
        room -= now;
        return len - (grown - now);
    }
    if (fault.kind == 'h' && fault.count > 0 && fits(path) && fault.after <= 0 && len > 1) {
        fault.kind = fault.error ? 'w' : 0;
        hit();
        return len / 2;
    }
    if (fault.kind == 'h' && fits(path)) fault.after--;
    if (fault.kind == 'W') return strikes('W', path) ? -1 : (ssize_t)len;
    if (fault.error == ENOSPC && grown <= 0) return len;
    return strikes('w', path) ? -1 : (ssize_t)len;
}

static ssize_t put(int fd, const void *octets, size_t len, int64_t offset) {
    pthread_mutex_lock(&lock);
    const char *path = path_of(fd);
    ssize_t done;
    if (!path) {
        pthread_mutex_unlock(&lock);
        return offset < 0 ? syscall(SYS_write, fd, octets, len) : syscall(SYS_pwrite64, fd, octets, len, offset);
    }
    int64_t at = offset;
    if (is_named(path, "control")) {
        control(octets, len);
        done = len;
    } else {
        if (offset < 0) at = fcntl(fd, F_GETFL) & O_APPEND ? size_of(fd) : syscall(SYS_lseek, fd, 0, SEEK_CUR);
        done = is_named(path, "marks") ? (ssize_t)len : admitted(fd, path, len, at);
        if (done > 0) done = offset < 0 ? syscall(SYS_write, fd, octets, done) : syscall(SYS_pwrite64, fd, octets, done, offset);
        if (done > 0) note(WRITE, fd, at, octets, done);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int fd, const void *octets, size_t len) { return put(fd, octets, len, -1); }
ssize_t pwrite(int fd, const void *octets, size_t len, off_t offset) { return put(fd, octets, len, offset); }
ssize_t pwrite64(int fd, const void *octets, size_t len, off64_t offset) { return put(fd, octets, len, offset); }

static int fails_to_read(int fd) {
    if (fault.kind != 'r') return 0;
    pthread_mutex_lock(&lock);
    const char *path = path_of(fd);
    int struck = path && strikes('r', path);
    pthread_mutex_unlock(&lock);
    return struck;
}

ssize_t read(int fd, void *octets, size_t len) { return fails_to_read(fd) ? -1 : syscall(SYS_read, fd, octets, len); }
ssize_t pread64(int fd, void *octets, size_t len, off64_t offset) {
    return fails_to_read(fd) ? -1 : syscall(SYS_pread64, fd, octets, len, offset);
}
ssize_t pread(int fd, void *octets, size_t len, off_t offset) { return pread64(fd, octets, len, offset); }

static int open_it(int dir, const char *path, int flags, mode_t mode) {
    char name[PATH];
    pthread_mutex_lock(&lock);
    const char *ours = whole(dir, path, name);
    int fails = ours && flags & O_CREAT && syscall(SYS_faccessat, AT_FDCWD, ours, F_OK) != 0 && strikes('o', ours);
    if (ours && flags & O_TRUNC && room >= 0) {
        struct stat s;
        if (stat(ours, &s) == 0) room += s.st_size;
    }
    int fd = fails ? -1 : syscall(SYS_openat, dir, path, flags, mode);
    if (fd >= FDS) abort();
    if (fd >= 0) {
        free(paths[fd]);
        paths[fd] = ours ? strdup(ours) : NULL;
        if (ours) note(OPEN, fd, flags, ours, strlen(ours));
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

static mode_t mode_of(int flags, va_list more) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0; }

#define OPENS(NAME, DIR_PARAMETER, DIR)                                                                                                        \
    int NAME(DIR_PARAMETER const char *path, int flags, ...) {                                                                                 \
        va_list more;                                                                                                                          \
        va_start(more, flags);                                                                                                                 \
        mode_t mode = mode_of(flags, more);                                                                                                    \
        va_end(more);                                                                                                                          \
        return open_it(DIR, path, flags, mode);                                                                                                \
    }
#define NOTHING
#define DIR_FIRST int dir,
OPENS(open, NOTHING, AT_FDCWD)
OPENS(open64, NOTHING, AT_FDCWD)
OPENS(openat, DIR_FIRST, dir)
OPENS(openat64, DIR_FIRST, dir)

int close(int fd) {
    pthread_mutex_lock(&lock);
    if (path_of(fd)) {
        note(CLOSE, fd, 0, NULL, 0);
        free(paths[fd]);
        paths[fd] = NULL;
    }
    pthread_mutex_unlock(&lock);
    return syscall(SYS_close, fd);
}

int ftruncate64(int fd, off64_t len) {
    pthread_mutex_lock(&lock);
    const char *path = path_of(fd);
    long before = path ? size_of(fd) : 0;
    int done = path && strikes('t', path) ? -1 : syscall(SYS_ftruncate, fd, len);
    if (path && done == 0) {
        if (room >= 0 && before > len) room += before - len;
        note(LENGTH, fd, len, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return done;
}
int ftruncate(int fd, off_t len) { return ftruncate64(fd, len); }

/* The process may be killed, the machine is not: the test decides what was durable, so nothing is waited for. */
static int sync_it(int fd, int call) {
    pthread_mutex_lock(&lock);
    const char *path = path_of(fd);
    if (!path) {
        pthread_mutex_unlock(&lock);
        return syscall(call, fd);
    }
    int fails = strikes('s', path);
    note(SYNC, fd, fails, NULL, 0);
    pthread_mutex_unlock(&lock);
    return fails ? -1 : 0;
}
int fsync(int fd) { return sync_it(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_it(fd, SYS_fdatasync); }

int rename(const char *from, const char *to) {
    char a[PATH], b[PATH], both[2 * PATH];
    pthread_mutex_lock(&lock);
    const char *ours = whole(AT_FDCWD, from, a);
    int done = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (ours && whole(AT_FDCWD, to, b) && done == 0) {
        int len = snprintf(both, sizeof both, "%s\n%s", a, b);
        note(RENAME, -1, 0, both, len);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

int unlinkat(int dir, const char *path, int flags) {
    char name[PATH];
    pthread_mutex_lock(&lock);
    const char *ours = whole(dir, path, name);
    struct stat s = {0};
    if (ours) stat(ours, &s);
    int done = ours && strikes('u', ours) ? -1 : syscall(SYS_unlinkat, dir, path, flags);
    if (ours && done == 0) {
        if (room >= 0 && S_ISREG(s.st_mode)) room += s.st_size;
        note(flags & AT_REMOVEDIR ? RMDIR : UNLINK, -1, 0, ours, strlen(ours));
    }
    pthread_mutex_unlock(&lock);
    return done;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdir(const char *path, mode_t mode) {
    char name[PATH];
    pthread_mutex_lock(&lock);
    const char *ours = whole(AT_FDCWD, path, name);
    int done = syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (ours && done == 0) note(MKDIR, -1, 0, ours, strlen(ours));
    pthread_mutex_unlock(&lock);
    return done;
}
