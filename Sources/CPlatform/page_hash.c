#include "page_hash.h"

#include <xxhash.h>

void cp_hash_pages(const void *pages, size_t size, size_t count, struct cp_page_hash *hashes)
{
    const char *page = pages;
    for (size_t i = 0; i < count; i++, page += size) {
        XXH128_hash_t hash = XXH3_128bits(page, size);
        hashes[i] = (struct cp_page_hash){hash.low64, hash.high64};
    }
}
