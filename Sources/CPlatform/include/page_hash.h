#ifndef CP_PAGE_HASH_H
#define CP_PAGE_HASH_H

#include <stddef.h>
#include <stdint.h>

// 128 bits by which the contents of pages are told apart: XXH3 of libxxhash.
struct cp_page_hash {
    uint64_t low, high;
};

// Hashes `count` pages of `size` bytes that follow each other.
void cp_hash_pages(const void *pages, size_t size, size_t count, struct cp_page_hash *hashes);

#endif
