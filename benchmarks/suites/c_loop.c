/* The v4.1 step as one would write it in C: one core, double-buffered, float32, periodic sides,
   the default parameters, growth events and both counts. Compiled by benchmarks/c_loop.py.

   A row is a function of its own because gcc takes `restrict` seriously on parameters only: written
   into the loop over rows, the same code is not vectorised and four times slower. */

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

static inline float clip(float x, float low, float high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

/* One row of the three fields; w is the distance to the next row. Adds to the two counts. */
static void step_row(const float *restrict v, const float *restrict a, const float *restrict i,
                     float *restrict v_out, float *restrict a_out, float *restrict i_out, int n,
                     int w, int64_t *activations, int64_t *clamps) {
    int active = 0, clamped = 0;
    for (int c = 0; c < n; c++) {
        float dv = v[c - w] + v[c + w] + v[c - 1] + v[c + 1] - 4.0f * v[c];
        float da = a[c - w] + a[c + w] + a[c - 1] + a[c + 1] - 4.0f * a[c];
        float di = i[c - w] + i[c + w] + i[c - 1] + i[c + 1] - 4.0f * i[c];
        float na = a[c] + 0.1f * da + 0.01f * (a[c] * (1.0f - a[c]) - i[c]);
        float ni = i[c] + 0.05f * di + 0.02f * (a[c] - i[c]);
        float nv = v[c] + 0.18f * dv + (na > 0.75f ? 0.005f : 0.0f);
        float inside = clip(nv, -0.095f, 0.040f);
        active += na > 0.75f;
        clamped += inside != nv;
        v_out[c] = inside;
        a_out[c] = clip(na, 0.0f, 1.0f);
        i_out[c] = clip(ni, 0.0f, 1.0f);
    }
    *activations += active;
    *clamps += clamped;
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
        for (int r = 1; r <= n; r++) {
            int o = r * w + 1;
            step_row(V + o, a + o, i + o, V2 + o, a2 + o, i2 + o, n, w, counts + 1, counts + 2);
        }
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
