#include "bpf.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int call(int command, union bpf_attr *attributes)
{
	long result = syscall(SYS_bpf, command, attributes, sizeof *attributes);
	return result < 0 ? -errno : (int)result;
}

int cp_bpf_per_cpu_map(void)
{
	union bpf_attr attributes;
	memset(&attributes, 0, sizeof attributes);
	attributes.map_type = BPF_MAP_TYPE_PERCPU_ARRAY;
	attributes.key_size = 4;
	attributes.value_size = 8;
	attributes.max_entries = 1;
	return call(BPF_MAP_CREATE, &attributes);
}

int cp_bpf_cell(uint32_t size)
{
	union bpf_attr attributes;
	memset(&attributes, 0, sizeof attributes);
	attributes.map_type = BPF_MAP_TYPE_ARRAY;
	attributes.key_size = 4;
	attributes.value_size = size;
	attributes.max_entries = 1;
	return call(BPF_MAP_CREATE, &attributes);
}

int cp_bpf_set(int map, const void *value)
{
	uint32_t key = 0;
	union bpf_attr attributes;
	memset(&attributes, 0, sizeof attributes);
	attributes.map_fd = (uint32_t)map;
	attributes.key = (uintptr_t)&key;
	attributes.value = (uintptr_t)value;
	return call(BPF_MAP_UPDATE_ELEM, &attributes);
}

int cp_bpf_load_iterator(const uint64_t *code, size_t count, uint32_t type)
{
	union bpf_attr attributes;
	memset(&attributes, 0, sizeof attributes);
	attributes.prog_type = BPF_PROG_TYPE_TRACING;
	attributes.expected_attach_type = BPF_TRACE_ITER;
	attributes.attach_btf_id = type;
	attributes.insns = (uintptr_t)code;
	attributes.insn_cnt = (uint32_t)count;
	// Helpers that read memory of the kernel are only for programs under this licence.
	attributes.license = (uintptr_t)"GPL";
	return call(BPF_PROG_LOAD, &attributes);
}

int cp_bpf_iterate(int program, pid_t pid, bool leader_only)
{
	union bpf_iter_link_info target;
	memset(&target, 0, sizeof target);
	if (leader_only) target.task.tid = (uint32_t)pid;
	else target.task.pid = (uint32_t)pid;
	union bpf_attr attributes;
	memset(&attributes, 0, sizeof attributes);
	attributes.link_create.prog_fd = (uint32_t)program;
	attributes.link_create.attach_type = BPF_TRACE_ITER;
	attributes.link_create.iter_info = (uintptr_t)&target;
	attributes.link_create.iter_info_len = sizeof target;
	int link = call(BPF_LINK_CREATE, &attributes);
	if (link < 0) return link;
	memset(&attributes, 0, sizeof attributes);
	attributes.iter_create.link_fd = (uint32_t)link;
	int iterator = call(BPF_ITER_CREATE, &attributes);
	close(link);
	return iterator;
}

// Bytes behind struct btf_type, by kind.
static size_t rest(const struct btf_type *type)
{
	size_t count = BTF_INFO_VLEN(type->info);
	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG: return 4;
	case BTF_KIND_ARRAY: return sizeof(struct btf_array);
	case BTF_KIND_ENUM:
	case BTF_KIND_FUNC_PROTO: return 8 * count;
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case BTF_KIND_DATASEC:
	case BTF_KIND_ENUM64: return 12 * count;
	default: return 0;
	}
}

static const char *text(const struct cp_btf *btf, uint32_t offset)
{
	const struct btf_header *head = (const struct btf_header *)btf->bytes;
	return offset < head->str_len ? (const char *)btf->bytes + head->hdr_len + head->str_off + offset : "";
}

static const struct btf_type *type_at(const struct cp_btf *btf, uint32_t number)
{
	return (const struct btf_type *)(btf->bytes + btf->places[number]);
}

// FNV-1a.
static size_t hash(const char *name)
{
	uint32_t value = 2166136261u;
	for (; *name; name++) value = (value ^ (uint8_t)*name) * 16777619u;
	return value;
}

static bool is_wanted(const struct cp_btf *btf, const struct btf_type *type)
{
	unsigned kind = BTF_INFO_KIND(type->info);
	if (kind == BTF_KIND_FUNC) return strncmp(text(btf, type->name_off), "bpf_iter_", 9) == 0;
	return kind == BTF_KIND_STRUCT && type->name_off != 0;
}

static bool enter(struct cp_btf *btf, uint32_t number)
{
	size_t mask = btf->table_size - 1, place = hash(text(btf, type_at(btf, number)->name_off)) & mask;
	for (size_t tried = 0; tried < btf->table_size; tried++, place = (place + 1) & mask) {
		if (btf->table[place] != 0) continue;
		btf->table[place] = number;
		return true;
	}
	return false;
}

bool cp_btf_index(struct cp_btf *btf)
{
	const struct btf_header *head = (const struct btf_header *)btf->bytes;
	if (btf->size < sizeof *head || head->magic != BTF_MAGIC || head->hdr_len > btf->size) return false;
	size_t left = btf->size - head->hdr_len;
	if (head->type_off > left || head->type_len > left - head->type_off) return false;
	if (head->str_len == 0 || head->str_off > left || head->str_len > left - head->str_off) return false;
	// So every name ends.
	if (btf->bytes[head->hdr_len + head->str_off + head->str_len - 1] != 0) return false;
	size_t place = head->hdr_len + head->type_off, end = place + head->type_len, number = 1;
	while (place + sizeof(struct btf_type) <= end) {
		const struct btf_type *type = (const struct btf_type *)(btf->bytes + place);
		size_t next = place + sizeof *type + rest(type);
		if (next > end || number == btf->count) return false;
		btf->places[number] = (uint32_t)place;
		if (is_wanted(btf, type) && !enter(btf, (uint32_t)number)) return false;
		number++;
		place = next;
	}
	btf->count = number;
	return number > 1;
}

static uint32_t find(const struct cp_btf *btf, const char *name, unsigned kind)
{
	size_t mask = btf->table_size - 1, place = hash(name) & mask;
	for (size_t tried = 0; tried < btf->table_size && btf->table[place] != 0; tried++, place = (place + 1) & mask) {
		const struct btf_type *type = type_at(btf, btf->table[place]);
		if (BTF_INFO_KIND(type->info) == kind && strcmp(text(btf, type->name_off), name) == 0) return btf->table[place];
	}
	return 0;
}

uint32_t cp_btf_structure(const struct cp_btf *btf, const char *name) { return find(btf, name, BTF_KIND_STRUCT); }

uint32_t cp_btf_iterator(const struct cp_btf *btf, const char *name) { return find(btf, name, BTF_KIND_FUNC); }

uint32_t cp_btf_size(const struct cp_btf *btf, uint32_t structure)
{
	return structure == 0 || structure >= btf->count ? 0 : type_at(btf, structure)->size;
}

// In bits.
static int member(const struct cp_btf *btf, uint32_t number, const char *name, int depth)
{
	if (number == 0 || number >= btf->count || depth > 8) return -1;
	const struct btf_type *type = type_at(btf, number);
	unsigned kind = BTF_INFO_KIND(type->info);
	if (kind != BTF_KIND_STRUCT && kind != BTF_KIND_UNION) return -1;
	const struct btf_member *members = (const struct btf_member *)(type + 1);
	for (unsigned i = 0; i < BTF_INFO_VLEN(type->info); i++) {
		const char *known = text(btf, members[i].name_off);
		uint32_t bits = members[i].offset;
		if (BTF_INFO_KFLAG(type->info)) bits = BTF_MEMBER_BIT_OFFSET(bits);
		if (strcmp(known, name) == 0) return (int)bits;
		if (*known) continue;
		int inner = member(btf, members[i].type, name, depth + 1);
		if (inner >= 0) return (int)bits + inner;
	}
	return -1;
}

int cp_btf_member(const struct cp_btf *btf, uint32_t structure, const char *name)
{
	return member(btf, structure, name, 0);
}
