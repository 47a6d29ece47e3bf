/*
 * Loaded before user-mode Linux where a processor's extended state is larger than it knows (AMX). It
 * sets the registers of its processes as far as it knows them, and the host's kernel takes all of them
 * or none. What it leaves out is marked as unused in what it gives, and so are the zeros in its place.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

/* More than any processor has; not on the stack, which is a small one, and only one thread gets here. */
static char state[1 << 16];

long ptrace(enum __ptrace_request request, ...) {
  static long (*next)(enum __ptrace_request, ...);
  va_list arguments;
  va_start(arguments, request);
  long process = va_arg(arguments, long);
  long kind = va_arg(arguments, long);
  void *data = va_arg(arguments, void *);
  va_end(arguments);
  if (next == NULL) next = dlsym(RTLD_NEXT, "ptrace");
  struct iovec whole = {state, sizeof state};
  if (request == PTRACE_SETREGSET && kind == NT_X86_XSTATE) {
    const struct iovec *known = data;
    memcpy(state, known->iov_base, known->iov_len);
    data = &whole;
  }
  return next(request, process, kind, data);
}
