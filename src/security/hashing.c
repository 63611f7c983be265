#include "security/hashing.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

enum { NICENESS = 10 }; /* whoever is logged in already is served before those who log in */

struct hashing {
    struct loop *loop;
    const struct allocator *allocator;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t threads[HASHING_THREADS];
    int thread_count, idle;       /* idle: under lock */
    struct hash_job *jobs, **tail; /* under lock */
    size_t waiting;               /* under lock */
    size_t under_way;             /* submitted and not done; the loop's */
    bool is_ending;               /* under lock */
};

struct hashing *hashing_new(struct loop *loop, const struct allocator *allocator)
{
    struct hashing *hashing = memory_zalloc(allocator, sizeof *hashing);
    if (hashing == NULL) {
        return NULL;
    }
    hashing->loop = loop;
    hashing->allocator = allocator;
    hashing->tail = &hashing->jobs;
    pthread_mutex_init(&hashing->lock, NULL);
    pthread_cond_init(&hashing->wake, NULL);
    return hashing;
}

static struct hash_job *next_job(struct hashing *hashing)
{
    pthread_mutex_lock(&hashing->lock);
    hashing->idle++;
    while (hashing->jobs == NULL && !hashing->is_ending) {
        pthread_cond_wait(&hashing->wake, &hashing->lock);
    }
    hashing->idle--;
    struct hash_job *job = hashing->jobs;
    if (job != NULL) {
        hashing->jobs = job->next;
        hashing->waiting--;
        if (hashing->jobs == NULL) {
            hashing->tail = &hashing->jobs;
        }
    }
    pthread_mutex_unlock(&hashing->lock);
    return job;
}

static void carry_out(struct hash_job *job)
{
    bool is_weak = !str_is_set(job->stored);
    job->made[0] = '\0';
    job->fits = is_weak || password_fits(job->password, job->stored, job->iterations, &is_weak);
    if (job->fits && is_weak && !password_hash(job->password, job->iterations, job->made)) {
        job->made[0] = '\0';
    }
}

static void report(void *arg)
{
    struct hash_job *job = arg;
    job->hashing->under_way--;
    job->done(job);
}

static void *run(void *arg)
{
    struct hashing *hashing = arg;
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
    struct hash_job *job;
    while ((job = next_job(hashing)) != NULL) {
        carry_out(job);
        while (loop_post(hashing->loop, report, job) == HAPPN_E_MEMORY) {
        }
    }
    return NULL;
}

/* A processor is left to those who are logged in. */
static int most_threads(void)
{
    long half = sysconf(_SC_NPROCESSORS_ONLN) / 2;
    return half < 1 ? 1 : half < HASHING_THREADS ? (int)half : HASHING_THREADS;
}

static bool start_thread(struct hashing *hashing)
{
    sigset_t all, before; /* signals are for the host's threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&hashing->threads[hashing->thread_count], NULL, run, hashing) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    hashing->thread_count += started;
    return started;
}

happn_status hashing_submit(struct hashing *hashing, struct hash_job *job)
{
    pthread_mutex_lock(&hashing->lock);
    bool is_full = hashing->waiting >= HASHING_MOST_WAITING;
    bool needs_thread = hashing->idle <= (int)hashing->waiting && hashing->thread_count < most_threads();
    pthread_mutex_unlock(&hashing->lock);
    if (is_full) {
        return HAPPN_E_BUSY;
    }
    if (needs_thread && !start_thread(hashing) && hashing->thread_count == 0) {
        return HAPPN_E_MEMORY;
    }
    job->next = NULL;
    job->hashing = hashing;
    hashing->under_way++;
    pthread_mutex_lock(&hashing->lock);
    *hashing->tail = job;
    hashing->tail = &job->next;
    hashing->waiting++;
    pthread_cond_signal(&hashing->wake);
    pthread_mutex_unlock(&hashing->lock);
    return HAPPN_OK;
}

bool hashing_is_busy(const struct hashing *hashing)
{
    return hashing->under_way != 0;
}

void hashing_free(struct hashing *hashing)
{
    if (hashing == NULL) {
        return;
    }
    pthread_mutex_lock(&hashing->lock);
    hashing->is_ending = true;
    pthread_cond_broadcast(&hashing->wake);
    pthread_mutex_unlock(&hashing->lock);
    for (int i = 0; i < hashing->thread_count; i++) {
        pthread_join(hashing->threads[i], NULL);
    }
    pthread_cond_destroy(&hashing->wake);
    pthread_mutex_destroy(&hashing->lock);
    memory_free(hashing->allocator, hashing);
}
