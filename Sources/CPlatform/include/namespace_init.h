#ifndef CP_NAMESPACE_INIT_H
#define CP_NAMESPACE_INIT_H

/// Where the program of an init begins: less than a page of code that works at any address and calls nothing.
///
/// It waits for all its children. When there is none left it exits as the one did whose number it had found in r12:
/// with its exit code, or with 128 and the signal that ended it. It needs writable memory at rsp.
const void *cp_namespace_init(void);

#endif
