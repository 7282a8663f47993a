"""The `latent_grid` family: a pyramid of latents, the networks that make pixels of it, and its entropy model.

After COOL-CHIC (Ladune et al., 2023; Blard et al., 2024), C3 (Kim et al., 2024) and COOL-CHIC 5. Grid k has the
resolution of the picture over 2^k, rounded up; hyper grids are further grids at the coarsest levels.

    flat vector (`packing`)
       |
       +-- hyper grids ---------------------------+
       |                                          |
       +-- grid 6 --+                             |
       |            | x2                          v
       +-- grid 5 --+              +---------------------------------+
       |            | x2           | `context`: mean and scale of    |
       +-- ...      :              | every latent from its causal    |--> `laplace`: bits
       |            | x2           | neighbours and from all coarser |
       +-- grid 0 --+              | grids (nearest neighbour, x2)   |
                    |              +---------------------------------+
                    |                             ^
                    |                             +--- all grids
                    v
       `upsampling`: each grid is filtered by itself (refinement) and joins the
       coarser ones, which were doubled by the level's learned kernel (x2)
                    |
                    v  features [n_grids, h, w]
       `synthesis`: hidden layer per pixel -> 3x3 residual layers -> + linear skip
                    |
                    v
       pixel values [C, h, w], clamped to [0, 1]

`forward` is the whole model, which a fit differentiates. `render` computes pixels of any size or region from a file's
integers. `dead_units` changes the width of the hidden layer without changing the function. `edges` lets pictures of
nearby shapes share a compiled program; `filters` and `dense` hold the linear operations with hand-written gradients.
"""
