/*
 * Runs a command and says what it took: `bench-measured OUTPUT COMMAND...` writes seconds, CPU-seconds and the peak
 * of resident memory as JSON to the file OUTPUT, those of its own waited-for children included. Ends as the command did.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double seconds_of(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec / 1e6; }

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  double begun = now();
  pid_t child = fork();
  if (child == 0) {
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    _exit(127);
  }
  int status = 0;
  struct rusage usage;
  if (child < 0 || wait4(child, &status, 0, &usage) != child) return 1;
  FILE *output = fopen(argv[1], "w");
  if (!output) return 1;
  fprintf(output, "{\"seconds\":%.6f,\"cpuSeconds\":%.6f,\"peakRss\":%ld}\n", now() - begun,
          seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime), usage.ru_maxrss * 1024);
  if (fclose(output) != 0) return 1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
