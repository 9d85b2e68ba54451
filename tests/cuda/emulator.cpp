// CUDA's kernels on a CPU: a thread for each of a block's threads, block after block.
#include <barrier>
#include <cmath>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __shared__
#define __align__(bytes)

struct Index { unsigned x; };
static thread_local Index threadIdx, blockIdx, blockDim;
static std::unique_ptr<std::barrier<>> whole;
static std::vector<std::unique_ptr<std::barrier<>>> warps;
static double shuffled[1024];

static void __syncthreads() { whole->arrive_and_wait(); }

template <typename T> T __shfl_xor_sync(unsigned, T value, int step) {
    unsigned t = threadIdx.x;
    auto& warp = *warps[t / 32];
    shuffled[t] = value;
    warp.arrive_and_wait();
    T found = (T)shuffled[t ^ step];
    warp.arrive_and_wait();
    return found;
}

static void sincospif(float x, float* s, float* c) {
    *s = (float)std::sin(M_PI * x), *c = (float)std::cos(M_PI * x);
}
static int __clz(unsigned x) { return __builtin_clz(x); }
static int __popc(unsigned x) { return __builtin_popcount(x); }
template <typename T> T __ldg(const T* at) { return *at; }

// What a block shares; each file has its own.
constexpr unsigned MEMORY = 1 << 20;
namespace sweep {
char memory[MEMORY];
#include SWEEP
}
#undef ENTRY
namespace sums {
char memory[MEMORY];
#include SUMS
}

// A kernel's one argument, whose words are at most these.
struct Words {
    long long words[21];
};
using Kernel = void (*)(const Words);

static std::mutex one_at_a_time;

extern "C" {
// As cuLaunchKernel.
int launch(Kernel kernel, unsigned blocks, unsigned, unsigned, unsigned threads, unsigned, unsigned,
           unsigned shared, void*, void** parameters, void**) {
    if (shared > MEMORY) return 1;
    const Words job = *(const Words*)parameters[0];
    std::lock_guard<std::mutex> lock(one_at_a_time);
    for (unsigned block = 0; block < blocks; ++block) {
        // What a kernel reads without having written it shall be seen.
        std::memset(sweep::memory, 0xff, MEMORY);
        std::memset(sums::memory, 0xff, MEMORY);
        whole = std::make_unique<std::barrier<>>(threads);
        warps.clear();
        for (unsigned w = 0; w < threads / 32; ++w)
            warps.push_back(std::make_unique<std::barrier<>>(32));
        std::vector<std::thread> running;
        for (unsigned t = 0; t < threads; ++t)
            running.emplace_back([=] {
                threadIdx.x = t, blockIdx.x = block, blockDim.x = threads;
                kernel(job);
            });
        for (auto& thread : running) thread.join();
    }
    return 0;
}

// A handler as XLA calls it on a CPU, where there are no streams.
static void* stream_of_nothing(void*) { return nullptr; }

using Handler = void* (*)(char*);
Handler handlers[2];

static void* handle(Handler handler, char* frame) {
    char *api, *mine[32], copy[256];
    std::memcpy(&api, frame + 16, 8);
    if (!api) return handler(frame);
    std::memcpy(copy, frame, 256);
    std::memcpy(mine, api, *(size_t*)api);
    mine[10] = (char*)stream_of_nothing;
    char* changed = (char*)mine;
    std::memcpy(copy + 16, &changed, 8);
    return handler(copy);
}

void* handle_sweep(char* frame) { return handle(handlers[0], frame); }
void* handle_sums(char* frame) { return handle(handlers[1], frame); }
}
