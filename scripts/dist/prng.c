/* bcryptprimitives.dll with the one function that Rust takes from it, for a Wine that has none (Debian 12's). For tests only. */
#include <stddef.h>

__declspec(dllimport) unsigned char __stdcall SystemFunction036(void *buffer, unsigned long length);

__declspec(dllexport) int __stdcall ProcessPrng(unsigned char *buffer, size_t length) {
    return SystemFunction036(buffer, (unsigned long)length);
}

int __stdcall DllMain(void *instance, unsigned long reason, void *reserved) {
    (void)instance, (void)reason, (void)reserved;
    return 1;
}
