/* The v4.1 step as one would write it in C: one core, double-buffered, float32, periodic sides,
   the default parameters, growth events and both counts. Compiled by benchmarks/c_loop.py. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint64_t rng_state = 88172645463325252ULL;

static float uniform(void) { /* Marsaglia's xorshift64 */
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return (float)(rng_state >> 40) * (1.0f / 16777216.0f);
}

/* Fill the halo of a field (n + 2) x (n + 2) for periodic sides. */
static void fill_halo(float *u, int n) {
    int w = n + 2;
    for (int r = 1; r <= n; r++) {
        u[r * w] = u[r * w + n];
        u[r * w + n + 1] = u[r * w + 1];
    }
    memcpy(u, u + n * w, w * sizeof(float));
    memcpy(u + (n + 1) * w, u + w, w * sizeof(float));
}

static void copy_rows(float *to, int to_width, const float *from, int from_width, int n) {
    for (int r = 0; r < n; r++)
        memcpy(to + r * to_width, from + r * from_width, n * sizeof(float));
}

void run(float *V_io, float *a_io, float *i_io, int n, int steps, float p, int64_t *counts) {
    int w = n + 2;
    size_t cells = (size_t)w * w;
    float *block = calloc(6 * cells, sizeof(float));
    float *V = block, *a = V + cells, *i = a + cells;
    float *V2 = i + cells, *a2 = V2 + cells, *i2 = a2 + cells;
    copy_rows(V + w + 1, w, V_io, n, n);
    copy_rows(a + w + 1, w, a_io, n, n);
    copy_rows(i + w + 1, w, i_io, n, n);
    for (int s = 0; s < steps; s++) {
        if (uniform() < p) {
            int row = (int)(uniform() * n), column = (int)(uniform() * n);
            float deviate = sqrtf(-2.0f * log1pf(-uniform())) * cosf(6.2831853f * uniform());
            V[(row + 1) * w + column + 1] += 0.020f + 0.005f * deviate;
            counts[0]++;
        }
        fill_halo(V, n);
        fill_halo(a, n);
        fill_halo(i, n);
        int active = 0, clamped = 0;
        for (int r = 1; r <= n; r++) {
            const float *restrict v = V + r * w, *restrict x = a + r * w, *restrict y = i + r * w;
            float *restrict v2 = V2 + r * w, *restrict x2 = a2 + r * w, *restrict y2 = i2 + r * w;
            for (int c = 1; c <= n; c++) {
                float dv = v[c - w] + v[c + w] + v[c - 1] + v[c + 1] - 4.0f * v[c];
                float dx = x[c - w] + x[c + w] + x[c - 1] + x[c + 1] - 4.0f * x[c];
                float dy = y[c - w] + y[c + w] + y[c - 1] + y[c + 1] - 4.0f * y[c];
                float nx = x[c] + 0.1f * dx + 0.01f * (x[c] * (1.0f - x[c]) - y[c]);
                float ny = y[c] + 0.05f * dy + 0.02f * (x[c] - y[c]);
                float nv = v[c] + 0.18f * dv;
                int is_active = nx > 0.75f;
                active += is_active;
                nv += is_active ? 0.005f : 0.0f;
                float clipped = nv < -0.095f ? -0.095f : (nv > 0.040f ? 0.040f : nv);
                clamped += clipped != nv;
                v2[c] = clipped;
                x2[c] = nx < 0.0f ? 0.0f : (nx > 1.0f ? 1.0f : nx);
                y2[c] = ny < 0.0f ? 0.0f : (ny > 1.0f ? 1.0f : ny);
            }
        }
        counts[1] += active;
        counts[2] += clamped;
        float *t;
        t = V, V = V2, V2 = t;
        t = a, a = a2, a2 = t;
        t = i, i = i2, i2 = t;
    }
    copy_rows(V_io, n, V + w + 1, w, n);
    copy_rows(a_io, n, a + w + 1, w, n);
    copy_rows(i_io, n, i + w + 1, w, n);
    free(block);
}
