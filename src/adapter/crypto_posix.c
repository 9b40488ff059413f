/* SPDX-License-Identifier: MIT */
/* Loading libcrypto. */
#include "adapter/crypto.h"

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

/*
 * A packager's tools see no need for a library that is loaded so: this note tells them.
 * See https://systemd.io/ELF_DLOPEN_METADATA.
 */
#define NOTE                                                                             \
	"[{\"feature\":\"hash\",\"description\":\"Message digests\","                      \
	"\"priority\":\"recommended\",\"soname\":[\"" WEIR_LIBCRYPTO "\"]}]"

__attribute__((used, section(".note.dlopen"))) _Alignas(uint32_t) static const struct {
	uint32_t name_size, text_size, type;
	char name[4];
	_Alignas(uint32_t) char text[sizeof(NOTE)];
} note = {
	.name_size = 4,
	.text_size = sizeof(NOTE),
	.type = 0x407c0c0a,
	.name = "FDO",
	.text = NOTE,
};

static bool find(void *library, const char *name, void *function)
{
	void *found = dlsym(library, name);

	/* ISO C converts no object's pointer to a function's, POSIX has them alike. */
	memcpy(function, &found, sizeof(found));
	return found;
}

bool weir__crypto_load(struct weir__crypto *crypto)
{
	/* Never unloaded: it has handlers of exit, and threads may have state of its own. */
	void *library = dlopen(WEIR_LIBCRYPTO, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
	bool complete = library;

#define FIND(name) complete = complete && find(library, #name, &crypto->name);
	WEIR__CRYPTO_MAP(FIND)
#undef FIND
	return complete;
}
