// A disk that fails on demand: loaded before libc, it stands between LMDB and the *.lmdb files below
// FLEXIM_FAULTS_BELOW, and obeys the files in the directory FLEXIM_FAULTS.
//
//   hold-sync           a sync adds a line to `sync-entered` and waits until the file is gone
//   full                a write fails with ENOSPC, and statfs says that nothing is free
//   eio  short          a write fails with EIO, or writes only half
//   read-only           nothing can be opened for writing: EROFS
//
// LMDB makes a commit durable in two steps: its pages and a sync, then the meta page through a descriptor
// of its own that is opened with O_DSYNC, where the write is a sync by itself. Hence `hold`, `full`, `eio`
// and `short` may end in -pages, -sync or -meta to strike there and nowhere else (so full-pages is
// a disk that fills up unforeseen). Every sync and meta write stands in `sync-log` before it returns, every
// fault in `fault-log`.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum place { ELSEWHERE, PAGES, META, SYNC };
static const char *const NAMES[] = {"", "pages", "meta", "sync"};

static const char *control, *below;

__attribute__((constructor)) static void start(void) {
  control = getenv("FLEXIM_FAULTS");
  below = getenv("FLEXIM_FAULTS_BELOW");
}

static int is_below(const char *path) {
  if (!control || !below) return 0;
  size_t length = strlen(below);
  return !strncmp(path, below, length) && (path[length] == '/' || !path[length]);
}

/** What a write to this descriptor would be. */
static enum place place_of(int fd) {
  char link[64], path[4096];
  if (!control || !below) return ELSEWHERE;
  int before = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  errno = before;
  if (length < 5) return ELSEWHERE;
  path[length] = 0;
  if (!is_below(path) || strcmp(path + length - 5, ".lmdb")) return ELSEWHERE;
  return fcntl(fd, F_GETFL) & O_DSYNC ? META : PAGES;
}

static int present(const char *name, const char *place) {
  char path[4096];
  int before = errno;
  snprintf(path, sizeof path, "%s/%s%s%s", control, name, *place ? "-" : "", place);
  int found = access(path, F_OK) == 0;
  errno = before;
  return found;
}

static void tell(const char *log, const char *what, const char *how) {
  char path[4096], line[64];
  int before = errno;
  snprintf(path, sizeof path, "%s/%s", control, log);
  int length = snprintf(line, sizeof line, "%s %s\n", what, how);
  int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, line, length) != length) abort(); // a test that sees half is worth nothing
  close(fd);
  errno = before;
}

static int strikes(const char *fault, enum place place) {
  return present(fault, NAMES[place]) || (place != SYNC && present(fault, ""));
}

static const char *name_of(int code) {
  return code == ENOSPC ? "ENOSPC" : code == EIO ? "EIO" : strerror(code);
}

/** The errno with which a call must fail, or 0. */
static int fault_at(enum place place) {
  int code = strikes("full", place) ? ENOSPC : strikes("eio", place) ? EIO : 0;
  if (code) tell("fault-log", NAMES[place], name_of(code));
  return code;
}

static void hold(enum place place) {
  const struct timespec moment = {0, 1000000};
  if (place == PAGES || !present("hold", NAMES[place])) return;
  tell("sync-entered", NAMES[place], "");
  while (present("hold", NAMES[place])) nanosleep(&moment, NULL);
}

static void log_sync(enum place place, int failed) {
  if (place != PAGES) tell("sync-log", NAMES[place], failed ? name_of(errno) : "ok");
}

static size_t sum(const struct iovec *parts, int count) {
  size_t size = 0;
  for (int i = 0; i < count; i++) size += parts[i].iov_len;
  return size;
}

/** All of the parts, or their first half: into the file at `at`, or where the file stands. */
static ssize_t pass_on(int fd, const struct iovec *parts, int count, off_t at, int half) {
  size_t size = sum(parts, count), left = half ? size / 2 : size, used = 0;
  struct iovec kept[count];
  for (; left > 0; used++) {
    kept[used] = parts[used];
    if (kept[used].iov_len > left) kept[used].iov_len = left;
    left -= kept[used].iov_len;
  }
  static ssize_t (*real)(int, const struct iovec *, int);
  static ssize_t (*real_at)(int, const struct iovec *, int, off_t);
  if (!real) real = dlsym(RTLD_NEXT, "writev");
  if (!real_at) real_at = dlsym(RTLD_NEXT, "pwritev");
  return at < 0 ? real(fd, kept, used) : real_at(fd, kept, used, at);
}

static ssize_t write_parts(int fd, const struct iovec *parts, int count, off_t at) {
  enum place place = place_of(fd);
  if (place == ELSEWHERE) return pass_on(fd, parts, count, at, 0);
  hold(place);
  int code = fault_at(place), half = !code && strikes("short", place);
  if (half) tell("fault-log", NAMES[place], "short");
  if (code) errno = code;
  ssize_t result = code ? -1 : pass_on(fd, parts, count, at, half);
  log_sync(place, result < 0);
  return result;
}

static int sync_file(const char *name, int fd) {
  enum place place = place_of(fd) == ELSEWHERE ? ELSEWHERE : SYNC;
  int (*real)(int) = dlsym(RTLD_NEXT, name);
  if (place == ELSEWHERE) return real(fd);
  hold(place);
  int code = fault_at(place);
  int result = code ? -1 : real(fd);
  if (code) errno = code;
  log_sync(place, result < 0);
  return result;
}

int fdatasync(int fd) { return sync_file("fdatasync", fd); }
int fsync(int fd) { return sync_file("fsync", fd); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
  return write_parts(fd, parts, count, -1);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
  return write_parts(fd, parts, count, at);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
  return write_parts(fd, parts, count, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
  const struct iovec part = {(void *)bytes, size};
  return write_parts(fd, &part, 1, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
  const struct iovec part = {(void *)bytes, size};
  return write_parts(fd, &part, 1, at);
}

static int open_file(const char *path, int flags, mode_t mode) {
  static int (*real)(const char *, int, ...);
  if (!real) real = dlsym(RTLD_NEXT, "open");
  if ((flags & (O_WRONLY | O_RDWR)) && is_below(path) && present("read-only", "")) {
    tell("fault-log", "open", "EROFS");
    errno = EROFS;
    return -1;
  }
  return real(path, flags, mode);
}

static mode_t mode_of(int flags, va_list rest) {
  return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return open_file(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return open_file(path, flags | O_LARGEFILE, mode);
}

int statfs64(const char *path, struct statfs64 *result) {
  static int (*real)(const char *, struct statfs64 *);
  if (!real) real = dlsym(RTLD_NEXT, "statfs64");
  int failed = real(path, result);
  if (!failed && is_below(path) && present("full", "")) result->f_bavail = result->f_bfree = 0;
  return failed;
}
