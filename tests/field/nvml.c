/* A stand-in for libnvidia-ml.so.1, so that pynvml's own code runs. What it plays is in the environment:
 *   N      devices (1)                    SLEEP   seconds that nvmlInit takes (0)
 *   NAME   bytes of the name, in hex      LOST    index of a device off the bus (none)
 *   MJ     what the counter shows, mJ; without it, 100 W
 *   MW     power in mW (100000)           NO_COUNTER  there is none */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { NOT_FOUND = 6, NOT_SUPPORTED = 3, GPU_IS_LOST = 15, INSTANT_POWER = 186 };

static long number(const char *name, long otherwise) {
  const char *text = getenv(name);
  return text ? strtol(text, 0, 0) : otherwise;
}

int nvmlInit_v2(void) { sleep(number("SLEEP", 0)); return 0; }
int nvmlInitWithFlags(unsigned flags) { (void)flags; return nvmlInit_v2(); }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { return code == GPU_IS_LOST ? "GPU is lost" : "Not Supported"; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = number("N", 1); return 0; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
  if ((long)index == number("LOST", -1)) return GPU_IS_LOST;
  *handle = (void *)(long)(index + 1);
  return index < number("N", 1) ? 0 : NOT_FOUND;
}

int nvmlDeviceGetUUID(void *handle, char *text, unsigned size) {
  snprintf(text, size, "GPU-0000000%ld-0000", (long)handle);
  return 0;
}

int nvmlDeviceGetName(void *handle, char *text, unsigned size) {
  const char *hex = getenv("NAME");
  unsigned at = 0, byte;
  (void)handle;
  for (hex = hex ? hex : "475055"; at + 1 < size && sscanf(hex, "%2x", &byte) == 1; hex += 2)
    text[at++] = (char)byte;
  text[at] = 0;
  return 0;
}

int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *mj) {
  struct timespec now;
  (void)handle;
  if (getenv("NO_COUNTER")) return NOT_SUPPORTED;
  clock_gettime(CLOCK_MONOTONIC, &now);
  *mj = getenv("MJ") ? strtoull(getenv("MJ"), 0, 0) : now.tv_sec * 100000ull + now.tv_nsec / 10000;
  return 0;
}

int nvmlDeviceGetPowerUsage(void *handle, unsigned *mw) {
  (void)handle;
  *mw = (unsigned)number("MW", 100000);
  return 0;
}

int nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned *mw) { (void)handle; *mw = 300000; return 0; }
int nvmlDeviceGetMigMode(void *handle, unsigned *now, unsigned *next) { (void)handle; *now = *next = 0; return 0; }

typedef struct {
  unsigned id, scope;
  long long at, latency;
  unsigned type;
  int code;
  union { unsigned value; unsigned long long wide; } value;
} Field;

int nvmlDeviceGetFieldValues(void *handle, int count, Field *fields) {
  for (int i = 0; i < count; i++) {
    fields[i].code = fields[i].id == INSTANT_POWER ? 0 : NOT_SUPPORTED;
    nvmlDeviceGetPowerUsage(handle, &fields[i].value.value);
  }
  return 0;
}
