/* Runs a fuzz target without a fuzzing compiler: its corpus, then mutations of it for a time.
 *
 *   fuzz_NAME CORPUS_FOLDER SECONDS [SEED]
 *
 * With clang the same targets link with -fsanitize=fuzzer in its place (cmake -DHAPPN_LIBFUZZER=ON). */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { INPUTS = 256, SIZE = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    uint8_t bytes[SIZE];
    size_t size;
} inputs[INPUTS];
static size_t input_count;
static uint64_t state;

static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void load(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL && input_count < INPUTS) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
        FILE *file = entry->d_name[0] != '.' ? fopen(name, "rb") : NULL;
        if (file != NULL) {
            inputs[input_count].size = fread(inputs[input_count].bytes, 1, SIZE, file);
            input_count++;
            fclose(file);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static size_t mutate(uint8_t *out)
{
    static const char tokens[] = "{}[]\"\\:,*/@0123456789eE+-. nulltruefalse\x00\xff\xc3\xa9";
    size_t from = draw() % input_count, size = inputs[from].size;
    memcpy(out, inputs[from].bytes, size);
    for (uint64_t steps = 1 + draw() % 8; steps > 0; steps--) {
        size_t at = size != 0 ? draw() % size : 0, other = draw() % input_count;
        switch (draw() % 5) {
        case 0:
            if (size != 0) {
                out[at] = (uint8_t)tokens[draw() % (sizeof tokens - 1)];
            }
            break;
        case 1:
            if (size < SIZE) {
                memmove(out + at + 1, out + at, size - at);
                out[at] = (uint8_t)tokens[draw() % (sizeof tokens - 1)];
                size++;
            }
            break;
        case 2:
            if (size != 0) {
                size_t count = 1 + draw() % (size - at);
                memmove(out + at, out + at + count, size - at - count);
                size -= count;
            }
            break;
        case 3:
            if (inputs[other].size != 0) { /* a piece of another one */
                size_t start = draw() % inputs[other].size, count = 1 + draw() % (inputs[other].size - start);
                count = count > SIZE - at ? SIZE - at : count;
                memcpy(out + at, inputs[other].bytes + start, count);
                size = at + count > size ? at + count : size;
            }
            break;
        default:
            if (size != 0 && size * 2 <= SIZE) { /* twice */
                memcpy(out + size, out, size);
                size *= 2;
            }
        }
    }
    return size;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        return 2;
    }
    load(argv[1]);
    if (input_count == 0) {
        fprintf(stderr, "the corpus %s is empty\n", argv[1]);
        return 1;
    }
    state = argc > 3 ? strtoull(argv[3], NULL, 10) : (uint64_t)time(NULL) * 2654435761u + 1;
    printf("%zu inputs, seed %llu\n", input_count, (unsigned long long)state);
    fflush(stdout);
    for (size_t i = 0; i < input_count; i++) {
        uint8_t *copy = malloc(inputs[i].size); /* exact, so that the sanitizer sees one byte too many */
        memcpy(copy, inputs[i].bytes, inputs[i].size);
        LLVMFuzzerTestOneInput(copy, inputs[i].size);
        free(copy);
    }
    time_t end = time(NULL) + atoi(argv[2]);
    unsigned long runs = 0;
    static uint8_t bytes[SIZE];
    while (time(NULL) < end) {
        for (int i = 0; i < 1000; i++, runs++) {
            size_t size = mutate(bytes);
            uint8_t *copy = malloc(size);
            memcpy(copy, bytes, size);
            LLVMFuzzerTestOneInput(copy, size);
            free(copy);
        }
    }
    printf("%lu mutations\n", runs);
    return 0;
}
